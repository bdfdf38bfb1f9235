package edi

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"
)

// Certificate returns the public half of a legacy key as a self-signed X.509 certificate
// in PEM, for verifiers that take nothing else. Equal keys give equal bytes; its dates mean
// nothing.
func Certificate(key *rsa.PrivateKey) ([]byte, error) {
	public := x509.MarshalPKCS1PublicKey(&key.PublicKey)
	hash := sha256.Sum256(public)
	template := &x509.Certificate{
		SerialNumber:       new(big.Int).SetBytes(hash[:8]),
		Subject:            pkix.Name{CommonName: "EDI legacy token key"},
		NotBefore:          time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:           time.Date(2049, 12, 31, 23, 59, 59, 0, time.UTC),
		SignatureAlgorithm: x509.SHA256WithRSA,
		KeyUsage:           x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("making the certificate of the legacy key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), nil
}
