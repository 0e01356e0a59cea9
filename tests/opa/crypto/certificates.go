package main

import (
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"strings"
	"time"
)

func certificate(template, parent *x509.Certificate, public crypto.PublicKey, key crypto.Signer) []byte {
	return must(x509.CreateCertificate(rand.Reader, template, parent, public, key))
}

func certificatePEM(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func uri(text string) *url.URL { return must(url.Parse(text)) }

func certificates() {
	const parse = "crypto.x509.parse_certificates"
	r, p256, p384, p521, ed := newRSA(2048), newEC(elliptic.P256()), newEC(elliptic.P384()), newEC(elliptic.P521()), newEd()
	before, after := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), time.Date(2036, 1, 2, 3, 4, 5, 0, time.UTC)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca", Organization: []string{"cluster.local"}}, NotBefore: before, NotAfter: after,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, MaxPathLen: 1,
	}
	workload := func() *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(123456789), NotBefore: before, NotAfter: after, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, BasicConstraintsValid: true,
			URIs: []*url.URL{uri("spiffe://cluster.local/ns/default/sa/sleep")},
		}
	}
	var all []string
	add := func(change func(*x509.Certificate), public crypto.PublicKey, key crypto.Signer) []byte {
		template := workload()
		change(template)
		der := certificate(template, ca, public, key)
		all = append(all, certificatePEM(der))
		return der
	}
	refusedOne := func(change func(*x509.Certificate)) {
		template := workload()
		change(template)
		refused(parse, str(certificatePEM(certificate(template, ca, p256.Public(), r))))
	}
	signers := []crypto.Signer{r, p256, p384, p521, ed}
	var ders [][]byte
	for i, s := range signers {
		ders = append(ders, add(func(*x509.Certificate) {}, signers[(i+1)%len(signers)].Public(), s))
	}
	for _, alg := range []x509.SignatureAlgorithm{x509.SHA384WithRSA, x509.SHA512WithRSA, x509.ECDSAWithSHA256, x509.ECDSAWithSHA512, x509.ECDSAWithSHA384} {
		key := crypto.Signer(r)
		if alg.String()[:5] == "ECDSA" {
			key = p256
		}
		add(func(c *x509.Certificate) { c.SignatureAlgorithm = alg }, ed.Public(), key)
	}
	root := certificate(ca, ca, r.Public(), r)
	all = append(all, certificatePEM(root))
	add(func(c *x509.Certificate) { c.URIs = nil }, p256.Public(), r)
	add(func(c *x509.Certificate) { c.IsCA = true; c.MaxPathLenZero = true }, p256.Public(), r)
	add(func(c *x509.Certificate) { c.IsCA = true; c.MaxPathLen = 5 }, p256.Public(), r)
	add(func(c *x509.Certificate) { c.BasicConstraintsValid = false }, p256.Public(), r)
	add(func(c *x509.Certificate) {
		c.DNSNames = []string{"a.example", "*.b.example", ""}
		c.EmailAddresses = []string{"a@b.example"}
		c.IPAddresses = []net.IP{net.ParseIP("10.1.2.3"), net.ParseIP("2001:db8::1"), net.ParseIP("::")}
		c.URIs = append(c.URIs, uri("spiffe://td/ns/a/sa/b"), uri("https://a.example/x-y_z.~"), uri("spiffe://td"), uri("spiffe://td/"))
	}, p256.Public(), r)
	add(func(c *x509.Certificate) {
		c.Subject = pkix.Name{
			Country: []string{"DE", "FR"}, Organization: []string{"Örg", "b"}, OrganizationalUnit: []string{"u"}, Locality: []string{"l"}, Province: []string{"p"},
			StreetAddress: []string{"s"}, PostalCode: []string{"1"}, SerialNumber: "42", CommonName: "näme & co*",
			ExtraNames: []pkix.AttributeTypeAndValue{{Type: asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}, Value: "dc"}, {Type: asn1.ObjectIdentifier{1, 2, 3, 4, 5, 2147483647}, Value: "x"}},
		}
	}, p256.Public(), r)
	for _, serial := range []string{"0", "1", "127", "128", "255", "256", "9223372036854775807", "18446744073709551616", "1461501637330902918203684832716283019655932542975"} {
		n, _ := new(big.Int).SetString(serial, 10)
		add(func(c *x509.Certificate) { c.SerialNumber = n }, p256.Public(), r)
	}
	for _, when := range []time.Time{time.Date(1950, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2049, 12, 31, 23, 59, 59, 0, time.UTC), time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)} {
		add(func(c *x509.Certificate) { c.NotAfter = when }, p256.Public(), r)
	}
	add(func(c *x509.Certificate) { c.KeyUsage = 511 }, p256.Public(), r)
	add(func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDecipherOnly }, p256.Public(), r)
	add(func(c *x509.Certificate) {
		c.ExtKeyUsage = nil
		for i := x509.ExtKeyUsage(0); i < 14; i++ {
			c.ExtKeyUsage = append(c.ExtKeyUsage, i)
		}
		c.UnknownExtKeyUsage = []asn1.ObjectIdentifier{{1, 2, 3, 4}, {2, 999, 1}}
	}, p256.Public(), r)
	add(func(c *x509.Certificate) { c.SubjectKeyId = []byte{1, 2, 3} }, p256.Public(), r)
	add(func(c *x509.Certificate) {
		c.OCSPServer = []string{"http://ocsp.example/"}
		c.IssuingCertificateURL = []string{"http://ca.example/ca.crt", "ldap://x"}
	}, p256.Public(), r)
	add(func(c *x509.Certificate) { c.CRLDistributionPoints = []string{"http://crl.example/", "ldap://y"} }, p256.Public(), r)
	add(func(c *x509.Certificate) {
		c.Policies = []x509.OID{must(x509.OIDFromInts([]uint64{1, 2, 3})), must(x509.OIDFromInts([]uint64{2, 999, 2147483647}))}
	}, p256.Public(), r)
	extension := func(critical bool, oid asn1.ObjectIdentifier, value []byte) func(*x509.Certificate) {
		return func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: oid, Critical: critical, Value: value}}
		}
	}
	add(extension(false, asn1.ObjectIdentifier{1, 2, 3}, []byte("x")), p256.Public(), r)
	for _, points := range [][]byte{
		{0x30, 0x02, 0x30, 0x00},
		{0x30, 0x07, 0x30, 0x05, 0xa0, 0x03, 0xa0, 0x01, 0x00},
		{0x30, 0x0a, 0x30, 0x08, 0xa0, 0x06, 0xa0, 0x04, 0x86, 0x02, 'a', 'b'},
		{0x30, 0x0e, 0x30, 0x0c, 0xa0, 0x0a, 0xa0, 0x08, 0x82, 0x02, 'a', 'b', 0x86, 0x02, 'c', 'd'},
	} {
		template := workload()
		extension(false, asn1.ObjectIdentifier{2, 5, 29, 31}, points)(template)
		all = append(all, certificatePEM(certificate(template, ca, p256.Public(), r)))
	}
	add(extension(true, asn1.ObjectIdentifier{1, 2, 3}, nil), p256.Public(), r)
	add(extension(true, asn1.ObjectIdentifier{2, 5, 29, 99}, []byte{5, 0}), p256.Public(), r)
	add(extension(true, asn1.ObjectIdentifier{2, 5, 29, 17}, []byte{0x30, 0x00}), p256.Public(), r)
	add(extension(true, asn1.ObjectIdentifier{2, 5, 29, 17}, []byte{0x30, 0x03, 0x88, 0x01, 0x2a}), p256.Public(), r)

	for _, text := range all {
		ask(parse, str(text))
	}
	for i := range 3 {
		ask(parse, str(base64.StdEncoding.EncodeToString(ders[i])))
		ask(parse, str(base64.StdEncoding.EncodeToString([]byte(all[i]))))
		ask(parse, str(all[i]+all[i+1]+all[i+2]))
		ask(parse, str(base64.StdEncoding.EncodeToString(append(append([]byte{}, ders[i]...), ders[i+1]...))))
	}
	ask(parse, str(all[0]+"\ntext\n"+all[1]))
	ask(parse, str("text\n"+all[0]))
	ask(parse, str(strings.ReplaceAll(all[0], "\n", "\r\n")))
	ask(parse, str(strings.ReplaceAll(all[0], "CERTIFICATE", "X509 CRL")))
	ask(parse, str(all[0]+pemOf("PUBLIC KEY", ders[0])))
	for _, text := range []string{"", "x", "-----BEGIN CERTIFICATE-----", "-----BEGIN", "AAAA", "MAA=", "MA==", all[0][:100], pemOf("CERTIFICATE", nil), pemOf("CERTIFICATE", []byte{0x30, 0}), pemOf("CERTIFICATE", ders[0][:50]), pemOf("CERTIFICATE", append(append([]byte{}, ders[0]...), 0)), all[0] + "-----BEGIN"} {
		ask(parse, str(text))
	}
	for _, v := range odd {
		ask(parse, v)
	}
	refusedOne(func(c *x509.Certificate) { c.PermittedDNSDomains = []string{"a.example"} })
	refusedOne(func(c *x509.Certificate) { c.Policies = []x509.OID{must(x509.OIDFromInts([]uint64{1, 2, 1 << 40}))} })
	refusedOne(func(c *x509.Certificate) { c.URIs = []*url.URL{uri("spiffe://td/a%20b")} })
	refusedOne(func(c *x509.Certificate) { c.URIs = []*url.URL{uri("https://user@td/a?x=1#y")} })
	refusedOne(func(c *x509.Certificate) { c.SignatureAlgorithm = x509.SHA256WithRSAPSS })

	// Bytes changed here and there: Sidegate may refuse, but not differ. The test takes either.
	for range 400 {
		der := append([]byte{}, ders[chosen.Intn(len(ders))]...)
		der[chosen.Intn(len(der))] ^= byte(1 << chosen.Intn(8))
		either(parse, str(base64.StdEncoding.EncodeToString(der)))
	}

	// Certificates as keys of tokens.
	for i, s := range signers {
		name := []string{"RS256", "ES256", "ES384", "ES512", "EdDSA"}[i]
		token := signer{key: s}.sign(name, header(name), plain)
		cert := certificatePEM(certificate(workload(), ca, s.Public(), r))
		for _, text := range []string{cert, cert + "\n", cert + cert, all[0]} {
			ask("io.jwt.verify_"+strings.ToLower(name), str(token), str(text))
			ask("io.jwt.decode_verify", str(token), object("cert", text))
		}
		x5c := base64.StdEncoding.EncodeToString(certificate(workload(), ca, s.Public(), r))
		ask("io.jwt.decode_verify", str(token), object("cert", set(signer{key: s}.jwk(`,"x5c":["`+x5c+`"],"x5t":"abc"`))))
	}
}

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}
