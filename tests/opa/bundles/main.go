// OPA as the judge of signed bundles: signs them, loads them, and hashes their structured files.
//
//	structural   prints documents with the hash that a signature has of them
//	serve        answers questions, one JSON object a line, until standard input ends
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/open-policy-agent/opa/v1/bundle"
	"github.com/open-policy-agent/opa/v1/rego"
	"github.com/open-policy-agent/opa/v1/util"
)

type question struct {
	Do        string `json:"do"`
	Bundle    []byte `json:"bundle"`
	Key       string `json:"key"`
	Algorithm string `json:"algorithm"`
	KeyID     string `json:"key_id"`
	Scope     string `json:"scope"`
	Query     string `json:"query"`
	Inputs    []any  `json:"inputs"`
}

type answer struct {
	Error  string `json:"error,omitempty"`
	Bundle []byte `json:"bundle,omitempty"`
	Values []any  `json:"values,omitempty"`
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(2)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 1 && args[0] == "structural":
		return structural(os.Stdout)
	case len(args) == 1 && args[0] == "serve":
		return serve(os.Stdin, os.Stdout)
	}
	return errors.New("expected `structural` or `serve`")
}

func serve(in io.Reader, out io.Writer) error {
	questions := util.NewJSONDecoder(in)
	answers := json.NewEncoder(out)
	for {
		var q question
		if err := questions.Decode(&q); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		var a answer
		var err error
		switch q.Do {
		case "sign":
			a.Bundle, err = sign(q)
		case "load":
			a.Values, err = load(q)
		default:
			return fmt.Errorf("expected `sign` or `load`, got %q", q.Do)
		}
		if err != nil {
			a.Error = err.Error()
		}
		if err := answers.Encode(a); err != nil {
			return err
		}
	}
}

// What `opa sign --bundle FILE` does, and the signature put into the bundle; with a leading `/` in every
// name, as `opa build` writes them.
func sign(q question) ([]byte, error) {
	hasher, err := bundle.NewSignatureHasher(bundle.SHA256)
	if err != nil {
		return nil, err
	}
	unzipped, err := gzip.NewReader(bytes.NewReader(q.Bundle))
	if err != nil {
		return nil, err
	}
	var packed bytes.Buffer
	zipped := gzip.NewWriter(&packed)
	writer := tar.NewWriter(zipped)
	add := func(name string, content []byte) error {
		header := tar.Header{Name: "/" + name, Mode: 0o600, Typeflag: tar.TypeReg, Size: int64(len(content))}
		if err := writer.WriteHeader(&header); err != nil {
			return err
		}
		_, err := writer.Write(content)
		return err
	}
	var files []bundle.FileInfo
	for reader := tar.NewReader(unzipped); ; {
		header, err := reader.Next()
		if err == io.EOF {
			break
		} else if err != nil {
			return nil, err
		}
		content, err := io.ReadAll(reader)
		if err != nil {
			return nil, err
		}
		name := strings.TrimPrefix(header.Name, "/")
		hash, err := hashOf(hasher, name, content)
		if err != nil {
			return nil, err
		}
		files = append(files, bundle.NewFile(name, hash, bundle.SHA256.String()))
		if err := add(name, content); err != nil {
			return nil, err
		}
	}
	claims := ""
	if q.Scope != "" {
		file, err := os.CreateTemp("", "claims")
		if err != nil {
			return nil, err
		}
		defer os.Remove(file.Name())
		if err := json.NewEncoder(file).Encode(map[string]any{"scope": q.Scope, "iss": "ci", "iat": 1}); err != nil {
			return nil, err
		}
		claims = file.Name()
	}
	token, err := bundle.GenerateSignedToken(files, bundle.NewSigningConfig(q.Key, q.Algorithm, claims), q.KeyID)
	if err != nil {
		return nil, err
	}
	signatures, err := json.MarshalIndent(bundle.SignaturesConfig{Signatures: []string{token}}, "", " ")
	if err != nil {
		return nil, err
	}
	if err := add(".signatures.json", signatures); err != nil {
		return nil, err
	}
	if err := errors.Join(writer.Close(), zipped.Close()); err != nil {
		return nil, err
	}
	return packed.Bytes(), nil
}

func hashOf(hasher bundle.SignatureHasher, name string, content []byte) (string, error) {
	var value any = content
	if bundle.IsStructuredDoc(name) {
		value = nil
		if err := util.Unmarshal(content, &value); err != nil {
			return "", err
		}
	}
	sum, err := hasher.HashFile(value)
	return hex.EncodeToString(sum), err
}

// Loads a bundle as `opa run --bundle FILE --verification-key KEY` does, and asks it. Without a key the
// bundle must not be signed.
func load(q question) ([]any, error) {
	reader := bundle.NewCustomReader(bundle.NewTarballLoaderWithBaseURL(bytes.NewReader(q.Bundle), ""))
	if q.Key != "" {
		keys := map[string]*bundle.KeyConfig{q.KeyID: {Key: q.Key, Algorithm: q.Algorithm}}
		reader = reader.WithBundleVerificationConfig(bundle.NewVerificationConfig(keys, "", q.Scope, nil))
	}
	loaded, err := reader.Read()
	if err != nil || q.Query == "" {
		return nil, err
	}
	ctx := context.Background()
	query, err := rego.New(rego.Query(q.Query), rego.ParsedBundle("bundle", &loaded)).PrepareForEval(ctx)
	if err != nil {
		return nil, err
	}
	var values []any
	for _, input := range q.Inputs {
		results, err := query.Eval(ctx, rego.EvalInput(input))
		if err != nil {
			return nil, err
		}
		var value any
		if len(results) > 0 {
			value = results[0].Expressions[0].Value
		}
		values = append(values, value)
	}
	return values, nil
}
