// Command oci pulls the filter's image as Istio's agent does: `oci LAYOUT WASM` serves the layout by a registry on
// 127.0.0.1, fetches it with the agent's own code, by tag and by digest, and compares it with the filter.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"istio.io/istio/pkg/log"
	"istio.io/istio/pkg/wasm"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: oci LAYOUT WASM")
		os.Exit(2)
	}
	checked, err := run(os.Args[1], os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, "oci:", err)
		os.Exit(1)
	}
	fmt.Printf("oci: %d passed, 0 failed\n", checked)
}

func run(dir, file string) (int, error) {
	options := log.DefaultOptions()
	options.SetDefaultOutputLevel(log.OverrideScopeName, log.NoneLevel)
	if err := log.Configure(options); err != nil {
		return 0, err
	}
	filter, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	scratch, err := os.MkdirTemp("", "oci")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(scratch)
	// Nobody's credentials are asked for.
	if err := os.Setenv("DOCKER_CONFIG", scratch); err != nil {
		return 0, err
	}
	repository, digest, err := serve(dir)
	if err != nil {
		return 0, err
	}
	tagged, pinned := repository+":test", repository+"@sha256:"+digest
	checked := 0
	for _, reference := range []string{tagged, pinned} {
		fetch, told, err := wasm.NewImageFetcher(context.Background(), wasm.ImageFetcherOption{}).PrepareFetch(reference)
		if err != nil {
			return 0, fmt.Errorf("%s: %w", reference, err)
		}
		if told != digest {
			return 0, fmt.Errorf("%s: expected the manifest's digest %s, got %s", reference, digest, told)
		}
		fetched, err := fetch()
		if err != nil {
			return 0, fmt.Errorf("%s: %w", reference, err)
		}
		if !bytes.Equal(fetched, filter) {
			return 0, fmt.Errorf("%s: expected the %d bytes of %s, got %d others", reference, len(filter), file, len(fetched))
		}
		checked++
	}
	content := sha256.Sum256(filter)
	// What a WasmPlugin's sha256 is of, where the URL is one of a registry: the manifest, not the filter.
	for _, asked := range []struct {
		url, sum, refusal string
	}{
		{tagged, "", ""},
		{tagged, digest, ""},
		{pinned, "", ""},
		{pinned, digest, ""},
		{tagged, hex.EncodeToString(content[:]), "does not match"},
		{pinned, hex.EncodeToString(content[:]), "does not match"},
		{repository + "@sha256:" + hex.EncodeToString(content[:]), "", "could not fetch manifest"},
	} {
		if err := get(asked.url, asked.sum, asked.refusal, filter); err != nil {
			return 0, fmt.Errorf("%s with sha256 %q: %w", asked.url, asked.sum, err)
		}
		checked++
	}
	return checked, nil
}

// serve puts the layout's one image into a registry of its own, and tells the repository and the manifest's digest.
func serve(dir string) (string, string, error) {
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return "", "", err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return "", "", err
	}
	if len(manifest.Manifests) != 1 {
		return "", "", fmt.Errorf("expected one image in %s, got %d", dir, len(manifest.Manifests))
	}
	digest := manifest.Manifests[0].Digest
	image, err := index.Image(digest)
	if err != nil {
		return "", "", err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", "", err
	}
	handler := registry.New(registry.Logger(stdlog.New(io.Discard, "", 0)))
	go func() { _ = http.Serve(listener, handler) }()
	repository := listener.Addr().String() + "/mesh/sidegate"
	tag, err := name.NewTag(repository + ":test")
	if err != nil {
		return "", "", err
	}
	return repository, digest.Hex, remote.Write(tag, image)
}

// get asks the agent's cache, as its conversion of a WasmPlugin does.
func get(reference, sum, refusal string, filter []byte) error {
	dir, err := os.MkdirTemp("", "oci-cache")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	cache := wasm.NewLocalFileCache(dir, wasm.Options{})
	defer cache.Cleanup()
	path, err := cache.Get("oci://"+reference, wasm.GetOptions{Checksum: sum, RequestTimeout: time.Minute})
	if refusal != "" {
		if err == nil || !strings.Contains(err.Error(), refusal) {
			return fmt.Errorf("expected a refusal with %q, got %v", refusal, err)
		}
		return nil
	}
	if err != nil {
		return err
	}
	fetched, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !bytes.Equal(fetched, filter) {
		return errors.New("expected the filter's bytes, got others")
	}
	return nil
}
