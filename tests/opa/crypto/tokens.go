package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// signer is a key with what it is called where.
type signer struct {
	name   string
	key    crypto.Signer
	algs   []string
	secret []byte
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func newRSA(bits int) *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, bits)) }

func newEC(curve elliptic.Curve) *ecdsa.PrivateKey {
	return must(ecdsa.GenerateKey(curve, rand.Reader))
}

func newEd() ed25519.PrivateKey {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	return must(key, err)
}

func pemKey(key any) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(key))}))
}

func hashOf(alg string) crypto.Hash {
	switch alg[2:] {
	case "384":
		return crypto.SHA384
	case "512":
		return crypto.SHA512
	}
	return crypto.SHA256
}

func mac(alg string, secret, data []byte) []byte {
	h := hmac.New(sha256.New, secret)
	switch alg {
	case "HS384":
		h = hmac.New(sha512.New384, secret)
	case "HS512":
		h = hmac.New(sha512.New, secret)
	}
	h.Write(data)
	return h.Sum(nil)
}

// sign makes a token of a header and a payload as they are written.
func (s signer) sign(alg, header, payload string) string {
	return s.signSalt(alg, header, payload, rsa.PSSSaltLengthEqualsHash)
}

func (s signer) signSalt(alg, header, payload string, salt int) string {
	signed := b64([]byte(header)) + "." + b64([]byte(payload))
	return signed + "." + b64(s.raw(alg, signed, salt))
}

func (s signer) raw(alg, signed string, salt int) []byte {
	if s.secret != nil {
		return mac(alg, s.secret, []byte(signed))
	}
	hash := hashOf(alg)
	h := hash.New()
	h.Write([]byte(signed))
	digest := h.Sum(nil)
	switch key := s.key.(type) {
	case *rsa.PrivateKey:
		if strings.HasPrefix(alg, "PS") {
			return must(rsa.SignPSS(rand.Reader, key, hash, digest, &rsa.PSSOptions{SaltLength: salt, Hash: hash}))
		}
		return must(rsa.SignPKCS1v15(rand.Reader, key, hash, digest))
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, key, digest)
		if err != nil {
			panic(err)
		}
		size := (key.Curve.Params().BitSize + 7) / 8
		out := make([]byte, 2*size)
		r.FillBytes(out[:size])
		s.FillBytes(out[size:])
		return out
	case ed25519.PrivateKey:
		return ed25519.Sign(key, []byte(signed))
	}
	panic("no key")
}

// jwk writes the public key, with more fields in between.
func (s signer) jwk(more string) string {
	raw := func(n *big.Int, size int) string { return b64(n.FillBytes(make([]byte, size))) }
	switch key := s.public().(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf(`{"kty":"RSA","n":%q,"e":%q%s}`, b64(key.N.Bytes()), b64(big.NewInt(int64(key.E)).Bytes()), more)
	case *ecdsa.PublicKey:
		size := (key.Curve.Params().BitSize + 7) / 8
		return fmt.Sprintf(`{"kty":"EC","crv":%q,"x":%q,"y":%q%s}`, key.Curve.Params().Name, raw(key.X, size), raw(key.Y, size), more)
	case ed25519.PublicKey:
		return fmt.Sprintf(`{"kty":"OKP","crv":"Ed25519","x":%q%s}`, b64(key), more)
	}
	return fmt.Sprintf(`{"kty":"oct","k":%q%s}`, b64(s.secret), more)
}

func (s signer) public() crypto.PublicKey {
	if s.key == nil {
		return nil
	}
	return s.key.Public()
}

func set(keys ...string) string { return `{"keys":[` + strings.Join(keys, ",") + `]}` }

func object(pairs ...any) ast.Value {
	o := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		o[pairs[i].(string)] = pairs[i+1]
	}
	return ast.MustInterfaceToValue(o)
}

const (
	claims = `{"iss":"https://issuer","sub":"bob","aud":["api","web"],"exp":1767323100,"nbf":1767322000,"n":12345678901234567890,"x":{"a":[1,2.5,null]}}`
	plain  = `{"sub":"bob"}`
)

func header(alg string) string { return fmt.Sprintf(`{"alg":%q,"typ":"JWT"}`, alg) }

func tokens() {
	r1, r2, r3 := newRSA(2048), newRSA(2048), newRSA(3072)
	e1, e2 := newEC(elliptic.P256()), newEC(elliptic.P256())
	signers := []signer{
		{name: "rsa", key: r1, algs: []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}},
		{name: "rsa3072", key: r3, algs: []string{"RS256", "PS512"}},
		{name: "rsa2047", key: newRSA(2047), algs: []string{"RS256", "PS256", "PS384"}},
		{name: "rsa1025", key: newRSA(1025), algs: []string{"RS512", "PS256"}},
		{name: "p256", key: e1, algs: []string{"ES256", "ES384", "ES512"}},
		{name: "p384", key: newEC(elliptic.P384()), algs: []string{"ES256", "ES384", "ES512"}},
		{name: "p521", key: newEC(elliptic.P521()), algs: []string{"ES256", "ES384", "ES512"}},
		{name: "ed", key: newEd(), algs: []string{"EdDSA"}},
		{name: "secret", secret: []byte("a secret of some length"), algs: []string{"HS256", "HS384", "HS512"}},
	}
	all := []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
	builtin := func(alg string) string { return "io.jwt.verify_" + strings.ToLower(alg) }
	verify := func(alg, token, key string) { ask(builtin(alg), str(token), str(key)) }
	other := signer{key: r2}
	now := int64(1767323045)

	for _, s := range signers {
		for _, alg := range s.algs {
			token := s.sign(alg, header(alg), claims)
			bad := token[:len(token)-6] + "AAAAA" + token[len(token)-1:]
			parts := strings.Split(token, ".")
			moved := parts[0] + "." + b64([]byte(`{"sub":"eve"}`)) + "." + parts[2]
			ask("io.jwt.decode", str(token))
			if s.secret != nil {
				secret := string(s.secret)
				for _, t := range []string{token, bad, moved, parts[0] + "." + parts[1] + ".", "x." + parts[1] + "." + parts[2]} {
					for _, a := range s.algs {
						ask(builtin(a), str(t), str(secret))
					}
					ask(builtin(alg), str(t), str(secret+"x"))
					ask(builtin(alg), str(t), str(""))
					for _, constraint := range []string{alg, "HS256", "RS256", ""} {
						ask("io.jwt.decode_verify", str(t), object("secret", secret, "alg", constraint, "aud", "api", "time", now*1e9))
					}
					ask("io.jwt.decode_verify", str(t), object("secret", secret, "aud", "api"))
					ask("io.jwt.decode_verify", str(t), object("secret", "other", "aud", "api"))
				}
				for _, key := range []string{s.jwk(""), set(s.jwk(`,"alg":"` + alg + `"`)), set(s.jwk(`,"alg":"HS256"`))} {
					ask("io.jwt.decode_verify", str(token), object("cert", key, "aud", "api"))
					verify("RS256", token, key)
				}
				continue
			}
			public := pemKey(s.public())
			keys := []string{
				public, s.jwk(""), set(s.jwk("")), s.jwk(`,"alg":"` + alg + `"`), set(s.jwk(`,"alg":"` + alg + `","kid":"one","use":"sig"`)),
				set(s.jwk(`,"alg":"RS512"`), s.jwk(`,"alg":"ES512"`)), set(other.jwk(""), s.jwk("")),
			}
			for _, key := range keys {
				for _, t := range []string{token, bad, moved} {
					verify(alg, t, key)
					ask("io.jwt.decode_verify", str(t), object("cert", key, "aud", "web", "iss", "https://issuer"))
				}
			}
			for _, a := range all {
				verify(a, token, public)
				verify(a, token, set(s.jwk("")))
			}
			for _, a := range []string{alg, "RS256", "ES256", "none", "x"} {
				ask("io.jwt.decode_verify", str(token), object("cert", public, "alg", a, "aud", "api"))
			}
			verify(alg, token, pemKey(r2.Public()))
			verify(alg, token, pemKey(e2.Public()))
			for _, signature := range oddSignatures(s.raw(alg, parts[0]+"."+parts[1], rsa.PSSSaltLengthEqualsHash)) {
				t := parts[0] + "." + parts[1] + "." + b64(signature)
				verify(alg, t, public)
				ask("io.jwt.decode_verify", str(t), object("cert", public, "aud", "api"))
			}
			if strings.HasPrefix(alg, "PS") {
				for _, salt := range []int{0, 1, 20, rsa.PSSSaltLengthAuto} {
					t := s.signSalt(alg, header(alg), claims, salt)
					verify(alg, t, public)
					ask("io.jwt.decode_verify", str(t), object("cert", public, "aud", "api"))
				}
			}
		}
	}
	rs := signers[0]
	public := pemKey(r1.Public())
	headers(rs, public)
	keySets(signers, rs, signer{key: r2}, signer{key: e1})
	keyTexts(rs, e1)
	limits(rs, public)
	shapes(rs, public)
	smallKeys()
	edwards(signers[7])
}

// oddSignatures are as long, longer, shorter, or written with zeros that do not matter.
func oddSignatures(raw []byte) [][]byte {
	n := len(raw) / 2
	padded := append(append(append([]byte{0, 0}, raw[:n]...), 0, 0), raw[n:]...)
	return [][]byte{
		{}, {0}, raw[:len(raw)-1], append([]byte{0}, raw...), append(append([]byte{}, raw...), 0), padded,
		make([]byte, len(raw)), append(append([]byte{}, raw[n:]...), raw[:n]...), append(append([]byte{}, raw[:n]...), make([]byte, n)...),
		append(make([]byte, n), raw[n:]...), []byte(strings.Repeat("\xff", len(raw))),
	}
}

func headers(s signer, public string) {
	for _, h := range []string{
		`{"alg":"RS256"}`, `{"typ":"JWT"}`, `{}`, `[]`, `"a"`, `null`, ``, `{`, `{"alg":"RS256"} `, `{"alg":"RS256"}x`, `{"alg":1}`, `{"alg":null}`,
		`{"alg":"none"}`, `{"alg":"rs256"}`, `{"alg":"RS256","kid":1}`, `{"alg":"RS256","kid":"k"}`, `{"alg":"RS256","typ":5}`, `{"alg":"RS256","cty":5}`,
		`{"alg":"RS256","cty":"x"}`, `{"alg":"RS256","cty":"jwt"}`, `{"alg":"RS256","cty":"JWT"}`, `{"alg":"RS256","crit":[]}`, `{"alg":"RS256","crit":"x"}`,
		`{"alg":"RS256","crit":["exp"]}`, `{"alg":"RS256","crit":["exp"],"exp":1}`, `{"alg":"RS256","crit":["alg"]}`, `{"alg":"RS256","crit":[1]}`,
		`{"alg":"RS256","crit":["b64",1],"b64":true}`, `{"alg":"RS256","crit":[1,"b64"],"b64":true}`, `{"alg":"RS256","crit":["x"],"b64":false}`,
		`{"alg":"RS256","enc":"A128GCM"}`, `{"alg":"RS256","enc":null}`, `{"alg":"RS256","alg":"RS512"}`, `{"alg":"RS256","x":1e400}`, `{"alg":"RS256","x":"\ud800"}`,
		"{\"alg\":\"RS256\",\"x\":\"\xff\"}", `{"alg":"RS512"}`, `{"alg":"PS256"}`, `{"alg":"ES256"}`, `{"alg":"HS256"}`, `{"alg":"EdDSA"}`, `{"alg":"Ed25519"}`,
		`{"alg":""}`, `{"alg":"RSA_PKCS1v15_WITH_SHA256"}`, `{"alg":"ES256K"}`, `{"alg":"ML-DSA-44"}`, `{"alg":"EDDSA"}`, `{"alg":"RS256","jwk":{"a":[1]}}`, `{"alg":"RS256","x":1.0}`,
	} {
		t := s.sign("RS256", h, plain)
		unsure := strings.Contains(h, "\xff") || strings.Contains(h, "1e400") || strings.Contains(h, "_WITH_")
		call := ask
		if unsure {
			call = askUnsure
		}
		if strings.Contains(h, "_WITH_") {
			ask("io.jwt.decode", str(t))
			ask("io.jwt.verify_rs256", str(t), str(public))
		} else {
			call("io.jwt.decode", str(t))
			call("io.jwt.verify_rs256", str(t), str(public))
		}
		call("io.jwt.decode_verify", str(t), object("cert", public))
		ask("io.jwt.verify_hs256", str(t), str("secret"))
	}
	for _, p := range []string{
		`{}`, `[]`, `"a"`, `1`, `null`, ``, `{`, `{"a":1} `, `{"a":1}x`, `{"a":1,"a":2}`, `{"é":"日本"}`, `{"a":"\u00e9\n"}`, `{"a":{"b":{}}}`, `  {"a":1}`, "{\"a\":\"\x00\"}",
		`{"a":1.5,"b":-0,"c":1e3,"d":0.1}`, `{"a":12345678901234567890123}`, `{"a":true,"b":[null]}`, `{"":""}`, `{"a":'b'}`,
	} {
		t := s.sign("RS256", header("RS256"), p)
		ask("io.jwt.decode", str(t))
		ask("io.jwt.verify_rs256", str(t), str(public))
		ask("io.jwt.decode_verify", str(t), object("cert", public))
	}
	t := s.sign("RS256", header("RS256"), "{\"a\":\"\xff\"}")
	askUnsure("io.jwt.decode", str(t))
	askUnsure("io.jwt.decode_verify", str(t), object("cert", public))

	inner := s.sign("RS256", header("RS256"), plain)
	quoted := `"` + inner + `"`
	for _, h := range []string{`{"alg":"RS256","cty":"JWT"}`, `{"alg":"RS256","cty":"jwt"}`, `{"alg":"RS256","cty":"Jwt","typ":"JWT"}`} {
		for _, p := range []string{inner, quoted, `'` + inner + `'`, `"'"` + inner + `'`, inner + "x", "", `""`, plain, s.sign("RS256", `{"alg":"RS256","cty":"JWT"}`, "x"), signer{key: newRSA(2048)}.sign("RS256", header("RS256"), plain)} {
			outer := s.sign("RS256", h, p)
			ask("io.jwt.decode", str(outer))
			ask("io.jwt.decode_verify", str(outer), object("cert", public))
			ask("io.jwt.decode_verify", str(outer), object("cert", public, "alg", "RS256"))
		}
	}
	nested := inner
	for i := range 5 {
		nested = s.sign("RS256", `{"alg":"RS256","cty":"JWT"}`, nested)
		call := ask
		if i >= 3 {
			call = refused
		}
		ask("io.jwt.decode", str(nested))
		call("io.jwt.decode_verify", str(nested), object("cert", public))
	}
}

// askUnsure is for what Sidegate refuses unless OPA has an error in it.
func askUnsure(name string, args ...ast.Value) { refused(name, args...) }

func keySets(signers []signer, rs, rs2, es signer) {
	kid := func(kid string) string { return fmt.Sprintf(`{"alg":"RS256","typ":"JWT","kid":%q}`, kid) }
	sets := []string{
		set(), set(rs.jwk(`,"kid":"a"`)), set(rs2.jwk(`,"kid":"a"`)), set(rs2.jwk(`,"kid":"a"`), rs.jwk(`,"kid":"b"`)), set(rs.jwk(`,"kid":"a"`), rs2.jwk(`,"kid":"b"`)),
		set(rs2.jwk(`,"kid":"a"`), rs.jwk(`,"kid":"a"`)), set(es.jwk(`,"kid":"a"`), rs.jwk(``)), set(es.jwk(``), es.jwk(``), rs.jwk(``)), set(rs.jwk(`,"kid":""`)),
		set(rs.jwk(`,"kid":"a","alg":"RS256"`)), set(rs.jwk(`,"kid":"a","alg":"RS512"`)), set(rs.jwk(`,"kid":"b","alg":"RS512"`)), set(rs.jwk(`,"kid":"a","alg":"RSA-OAEP"`)),
		set(rs.jwk(`,"kid":"a","alg":"RSA-OAEP"`), rs.jwk(`,"kid":"b"`)), set(rs.jwk(`,"kid":"a","use":"enc"`)), set(rs.jwk(`,"kid":"a","use":"sig","key_ops":["verify"]`)),
		set(rs.jwk(`,"kid":"a","x5t":"abc","x5u":"http://x"`)), set(signers[8].jwk(`,"kid":"a"`), rs.jwk(`,"kid":"b"`)), set(signers[7].jwk(``), rs.jwk(``)),
		set(signers[5].jwk(``), signers[6].jwk(``), rs.jwk(``)), set(`{"kty":"OKP","crv":"X25519","x":"`+b64(make([]byte, 31))+`Cg"}`, rs.jwk("")),
	}
	for _, keys := range sets {
		for _, h := range []string{kid("a"), kid("b"), kid("c"), kid(""), header("RS256"), header("RS512"), header("PS256")} {
			alg := "RS256"
			if strings.Contains(h, "RS512") {
				alg = "RS512"
			}
			t := rs.sign(alg, h, plain)
			ask("io.jwt.verify_rs256", str(t), str(keys))
			ask("io.jwt.verify_rs512", str(t), str(keys))
			ask("io.jwt.decode_verify", str(t), object("cert", keys))
		}
	}
}

func keyTexts(rs signer, es *ecdsa.PrivateKey) {
	token := rs.sign("RS256", header("RS256"), plain)
	public := pemKey(rs.public())
	n, e := b64(rs.public().(*rsa.PublicKey).N.Bytes()), "AQAB"
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	pkcs1 := x509.MarshalPKCS1PublicKey(rs.public().(*rsa.PublicKey))
	spki := must(x509.MarshalPKIXPublicKey(rs.public()))
	body := strings.Join(strings.Split(strings.TrimSpace(public), "\n")[1:len(strings.Split(strings.TrimSpace(public), "\n"))-1], "\n")
	texts := []string{
		"", "x", "{}", "[]", "null", "1", `"a"`, "{", `{"keys":null}`, `{"keys":{}}`, `{"keys":[1]}`, `{"keys":[{}]}`, `{"keys":[null]}`, `{"keys":"x"}`, `{"kty":"RSA"}`,
		`{"kty":"RSA","n":"` + n + `"}`, `{"kty":"RSA","e":"AQAB"}`, `{"kty":"RSA","n":"","e":"AQAB"}`, `{"kty":"RSA","n":"` + n + `","e":""}`, `{"kty":"RSA","n":"` + n + `","e":"AA"}`,
		`{"kty":"RSA","n":"` + n + `","e":"Ag"}`, `{"kty":"RSA","n":"` + n + `","e":"AQ"}`, `{"kty":"RSA","n":"` + n + `","e":"Aw"}`, `{"kty":"RSA","n":"AA` + n + `","e":"AQAB"}`,
		`{"kty":"RSA","n":"` + n + `","e":"AAEAAQ"}`, `{"kty":"RSA","n":"` + n + `","e":"gAAAAQ"}`, `{"kty":"RSA","n":"` + n + `","e":"_____________w"}`, `{"kty":"RSA","n":"` + n + `","e":"f_________8"}`,
		`{"kty":"rsa","n":"` + n + `","e":"AQAB"}`, `{"kty":"FOO"}`, `{"kty":1}`, `{"kty":null}`, `{"n":"` + n + `","e":"AQAB"}`, `{"kty":"EC","crv":"P-256"}`, `{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}`,
		`{"kty":"EC","x":"AA","y":"AA"}`, `{"kty":"OKP","crv":"Ed25519","x":"AA"}`, `{"kty":"OKP","crv":"Ed25519"}`, `{"kty":"OKP","x":"AA"}`, `{"kty":"oct"}`, `{"kty":"oct","k":""}`, `{"kty":"oct","k":"AA"}`,
		`{"kty":"RSA","n":"` + n + `","e":"` + e + `","alg":""}`, `{"kty":"RSA","n":"` + n + `","e":"` + e + `","x-more":{"a":[1]},"issuer":"me"}`, `{"kty":"RSA","n":"` + n + `","e":"` + e + `"} `,
		"\n" + `{"kty":"RSA","n":"` + n + `","e":"` + e + `"}`, `{"keys":[` + rs.jwk("") + `],"more":[1,{"a":null}]}`, `{"keys":[` + rs.jwk("") + `,{"kty":"FOO"}]}`,
		`{"keys":[` + rs.jwk("") + `,{"kty":"RSA","n":"","e":""}]}`, `{"keys":[` + rs.jwk("") + `,]}`, strings.Repeat("[", 50), set(rs.jwk("")) + "x",
		public, public + "\n", " " + public, "\n" + public, "text\n" + public, "text" + public, public + public, public + "x", strings.TrimSpace(public), strings.ReplaceAll(public, "\n", "\r\n"),
		strings.ReplaceAll(public, "\n", " \n"), strings.ReplaceAll(public, "\n", ""), strings.ReplaceAll(public, "PUBLIC KEY", "RSA PUBLIC KEY"), block("RSA PUBLIC KEY", pkcs1), block("PUBLIC KEY", pkcs1),
		block("CERTIFICATE", spki), block("PUBLIC KEY", nil), block("PUBLIC KEY", []byte{0x30}), block("PUBLIC KEY", append(append([]byte{}, spki...), 0)), block("PRIVATE KEY", spki), block("", spki),
		block("PUBLIC KEY", spki[:len(spki)-1]), block("EC PRIVATE KEY", must(x509.MarshalECPrivateKey(es))), "-----BEGIN PUBLIC KEY-----\n" + body + "\n-----END PUBLIC KEY----", "-----BEGIN PUBLIC KEY-----\n" + body + "\n-----END OTHER KEY-----\n",
		"-----BEGIN PUBLIC KEY----\n" + body + "\n-----END PUBLIC KEY-----\n", "-----BEGIN PUBLIC KEY-----\nA: b\n\n" + body + "\n-----END PUBLIC KEY-----\n", "-----BEGIN PUBLIC KEY-----\nA: b\n" + body + "\n-----END PUBLIC KEY-----\n",
		"-----BEGIN PUBLIC KEY-----\n-----BEGIN PUBLIC KEY-----\n" + body + "\n-----END PUBLIC KEY-----\n", "-----BEGIN PUBLIC KEY-----\n!" + body + "\n-----END PUBLIC KEY-----\n" + public, "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n",
		"-----BEGIN PUBLIC KEY-----" + body + "\n-----END PUBLIC KEY-----\n", "-----BEGIN PUBLIC KEY-----\n" + body + "-----END PUBLIC KEY-----\n", "-----BEGIN PUBLIC KEY-----\n" + strings.ReplaceAll(body, "\n", "\n\n") + "\n-----END PUBLIC KEY-----\t\n",
		"-----END PUBLIC KEY-----\n" + public, "\n-----END PUBLIC KEY-----\n" + public, "-----BEGIN \n-----END ", "-----BEGIN", "-----BEGIN X-----\n-----END X-----", public[:40],
	}
	for _, text := range texts {
		ask("io.jwt.verify_rs256", str(token), str(text))
		ask("io.jwt.decode_verify", str(token), object("cert", text))
	}
	// What Sidegate refuses to guess.
	for _, text := range []string{
		rs.jwk("") + "x", set(rs.jwk(`,"alg":"FOO"`)), set(rs.jwk(`,"use":"other"`)), set(rs.jwk(`,"key_ops":["deriveKey"]`)), set(rs.jwk(`,"kid":1`)), rs.jwk(`,"d":"AA"`), rs.jwk(`,"n":"` + n + `"`),
		`{"keys":[],"keys":[` + rs.jwk("") + `]}`, rs.jwk(`,"KID":"a"`), rs.jwk(`,"x5c":["AA"]`), `{"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"}`,
		`{"kty":"RSA","n":"` + n + `==","e":"AQAB"}`, `{"kty":"RSA","n":"` + base64.StdEncoding.EncodeToString(rs.public().(*rsa.PublicKey).N.Bytes()) + `","e":"AQAB"}`, pemKey(newEC(elliptic.P224()).Public()),
	} {
		refused("io.jwt.verify_rs256", str(token), str(text))
		refused("io.jwt.decode_verify", str(token), object("cert", text))
	}
	for _, v := range odd {
		for _, name := range []string{"rs256", "rs384", "rs512", "ps256", "ps384", "ps512", "es256", "es384", "es512", "eddsa", "hs256", "hs384", "hs512"} {
			ask("io.jwt.verify_"+name, v, str(public))
			ask("io.jwt.verify_"+name, str(token), v)
		}
		ask("io.jwt.decode", v)
		ask("io.jwt.decode_verify", v, object("cert", public))
		if _, isObject := v.(ast.Object); !isObject {
			ask("io.jwt.decode_verify", str(token), v)
		}
	}
}

func limits(s signer, public string) {
	now := int64(1767323045678901000)
	seconds := now / 1e9
	for _, p := range []string{
		`{"exp":%d}`, `{"nbf":%d}`, `{"exp":%d,"nbf":%[1]d}`,
	} {
		for _, delta := range []int64{-1000, -1, 0, 1, 2, 1000} {
			t := s.sign("RS256", header("RS256"), fmt.Sprintf(p, seconds+delta))
			ask("io.jwt.decode_verify", str(t), object("cert", public))
			ask("io.jwt.decode_verify", str(t), object("cert", public, "time", json.Number(fmt.Sprint(now))))
			ask("io.jwt.decode_verify", str(t), object("cert", public, "time", json.Number(fmt.Sprint(seconds*1e9))))
			ask("io.jwt.decode_verify", str(t), object("cert", public, "time", json.Number(fmt.Sprint((seconds+delta)*1e9))))
			ask("io.jwt.decode_verify", str(t), object("cert", public, "time", json.Number(fmt.Sprint((seconds+delta)*1e9-1000))))
			ask("io.jwt.decode_verify", str(t), object("cert", public, "time", 0))
		}
	}
	for _, value := range []string{"0", "-1", "1.5", "1767323045.5", "1767323045.7", "1767323045.678901", "1767323045.6789010", "1.767323045678901e9", "1767323045678901e-6", "17673230456789010E-7", "1e10", `"1767323100"`, "null", "[]", "true", "9007199254740993", "18446744073709551616", "100000000000000000000", "1e300", "-1e300", "1767323100.0"} {
		for _, claim := range []string{"exp", "nbf"} {
			t := s.sign("RS256", header("RS256"), fmt.Sprintf(`{%q:%s}`, claim, value))
			call := ask
			if strings.HasSuffix(value, "e300") {
				call = askUnsure
			}
			call("io.jwt.decode_verify", str(t), object("cert", public))
			call("io.jwt.decode_verify", str(t), object("cert", public, "time", json.Number("1")))
		}
	}
	t := s.sign("RS256", header("RS256"), `{"exp":2000000000}`)
	for _, v := range []string{"0", "-1", "1.5", "1e18", "2e18", "1999999999999999999", "2000000000000000000", "2000000000000000001", "9223372036854775808", "1e300", `"1"`, "null", "-0.5", "true", "0.0"} {
		ask("io.jwt.decode_verify", str(t), object("cert", public, "time", json.RawMessage(v)))
	}
}

func shapes(s signer, public string) {
	issuers := []string{`{}`, `{"iss":"a"}`, `{"iss":"b"}`, `{"iss":""}`, `{"iss":1}`, `{"iss":null}`, `{"iss":["a"]}`}
	audiences := []string{`{}`, `{"aud":"a"}`, `{"aud":"b"}`, `{"aud":""}`, `{"aud":1}`, `{"aud":null}`, `{"aud":["a"]}`, `{"aud":["b","a"]}`, `{"aud":["b"]}`, `{"aud":[]}`, `{"aud":[""]}`, `{"aud":[1,"a"]}`, `{"aud":{"a":"a"}}`}
	for _, p := range append(issuers, audiences...) {
		t := s.sign("RS256", header("RS256"), p)
		for _, extra := range [][]any{{}, {"iss", "a"}, {"iss", ""}, {"aud", "a"}, {"aud", ""}, {"iss", "a", "aud", "a"}, {"iss", 1}, {"aud", []any{"a"}}, {"aud", nil}} {
			ask("io.jwt.decode_verify", str(t), object(append([]any{"cert", public}, extra...)...))
		}
	}
	t := s.sign("RS256", header("RS256"), plain)
	for _, c := range []string{
		`{}`, `{"cert": 1}`, `{"secret": 1}`, `{"cert": ""}`, `{"secret": ""}`, `{"other": 1}`, `{"cert": "x"}`, `{"alg": "RS256"}`, `{"cert": "{\"keys\":[]}"}`,
		`{"cert": "{\"keys\":[]}", "secret": "a"}`, `{"cert": "{\"keys\":[]}", "secret": ""}`, `{"secret": "a", "alg": 1}`, `{"secret": "a", "alg": "HS256"}`, `{"secret": "a", "x": 1}`, `{"secret": "a", "time": 1}`, `{1: 2}`, `{"secret": "a", 1: 2}`,
		`{"keys": []}`, `{"cert": null}`, `{"cert": ["x"]}`, `{"secret": "a", "iss": null}`,
	} {
		ask("io.jwt.decode_verify", str(t), term(c))
	}
	for _, text := range []string{
		"", ".", "..", "...", "a", "a.b", "a.b.c", "a.b.c.d", t + ".", "." + t, t + "=", t + " ", " " + t, strings.Replace(t, ".", "=.", 1), strings.Replace(t, ".", "..", 1), strings.ToUpper(t), strings.Replace(t, ".", "\n.", 1),
		"e30.e30.", "e30.e30.e30", "e30.e30.!", "e30=.e30=.e30=", "bnVsbA.e30.", "e30.bnVsbA.", "W10.e30.", "e30.W10.", "é.é.é", "e3.e30.", "e30.e31.", "e31.e30.", t[:len(t)-1], t[:len(t)-2], t[:len(t)-3], t + "A", "eyJhbGciOiJSUzI1NiJ9..", "..eyJhbGciOiJSUzI1NiJ9",
	} {
		ask("io.jwt.decode", str(text))
		ask("io.jwt.verify_rs256", str(text), str(public))
		ask("io.jwt.verify_es256", str(text), str(public))
		ask("io.jwt.verify_hs256", str(text), str("x"))
		ask("io.jwt.verify_eddsa", str(text), str(public))
		ask("io.jwt.decode_verify", str(text), object("cert", public))
		ask("io.jwt.decode_verify", str(text), object("secret", "x"))
	}
}

// smallKeys are those that Go finds too small, or that Sidegate finds too large.
func smallKeys() {
	modulus := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 1000), big.NewInt(1))
	even := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 2048), big.NewInt(2))
	big9000 := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 9000), big.NewInt(1))
	one := big.NewInt(1)
	for _, n := range []*big.Int{modulus, even, one, big9000} {
		key := fmt.Sprintf(`{"kty":"RSA","n":%q,"e":"AQAB"}`, b64(n.Bytes()))
		t := b64([]byte(header("RS256"))) + "." + b64([]byte(plain)) + "." + b64(append([]byte{0}, make([]byte, len(n.Bytes())-1)...))
		call := ask
		if n == big9000 {
			call = refused
		}
		call("io.jwt.verify_rs256", str(t), str(key))
		call("io.jwt.verify_ps256", str(t), str(key))
		call("io.jwt.decode_verify", str(t), object("cert", key))
	}
}

// edwards asks for points and signatures at the edge of what is valid.
func edwards(s signer) {
	token := s.sign("EdDSA", header("EdDSA"), plain)
	parts := strings.Split(token, ".")
	for _, x := range []string{
		strings.Repeat("\x00", 32), "\x01" + strings.Repeat("\x00", 31), "\x01" + strings.Repeat("\x00", 30) + "\x80", strings.Repeat("\xff", 32), "\xec" + strings.Repeat("\xff", 30) + "\x7f",
		"\xed" + strings.Repeat("\xff", 30) + "\x7f", "\xee" + strings.Repeat("\xff", 30) + "\x7f", "\x02" + strings.Repeat("\x00", 31), "\xed" + strings.Repeat("\xff", 31), "\xee" + strings.Repeat("\xff", 31),
	} {
		key := fmt.Sprintf(`{"kty":"OKP","crv":"Ed25519","x":%q}`, b64([]byte(x)))
		for _, signature := range []string{
			x + strings.Repeat("\x00", 32), strings.Repeat("\x00", 64), "\x01" + strings.Repeat("\x00", 63), x + "\x01" + strings.Repeat("\x00", 31),
			x + "\xed\xd3\xf5\x5c\x1a\x63\x12\x58\xd6\x9c\xf7\xa2\xde\xf9\xde\x14" + strings.Repeat("\x00", 15) + "\x10",
		} {
			ask("io.jwt.verify_eddsa", str(parts[0]+"."+parts[1]+"."+b64([]byte(signature))), str(key))
		}
	}
	// The same signature with the order of the group added to its scalar.
	raw := must(base64.RawURLEncoding.DecodeString(parts[2]))
	order, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	scalar := make([]byte, 32)
	for i := range scalar {
		scalar[31-i] = raw[32+i]
	}
	sum := new(big.Int).Add(new(big.Int).SetBytes(scalar), order).FillBytes(make([]byte, 32))
	for i := range sum {
		raw[32+i] = sum[31-i]
	}
	ask("io.jwt.verify_eddsa", str(parts[0]+"."+parts[1]+"."+b64(raw)), str(pemKey(s.public())))
	ask("io.jwt.verify_eddsa", str(token), str(pemKey(s.public())))
}
