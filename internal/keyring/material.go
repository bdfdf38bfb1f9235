package keyring

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"

	"symbolon/internal/jws"
)

const minRSA = 2048

// material is an opened key, ready for use.
type material struct {
	plain  []byte           // what is sealed: PKCS #8 DER, or the secret itself
	signer jws.Signer       // ES256 and HS256
	check  jws.Key          // ES256 and HS256
	mac    jws.Signer       // HMAC, which signs no token
	rsa    *rsa.PrivateKey  // RSA-MD5
	public crypto.PublicKey // ES256 and RSA-MD5
	der    []byte           // PKIX form of public

	refused bool // a weak secret that is no longer allowed; there is nothing else in here
}

// generate makes a new key of the algorithm. RSA takes up to some seconds.
func generate(alg string) (*material, error) {
	var private any
	var err error
	switch alg {
	case ES256:
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case RSAMD5:
		private, err = rsa.GenerateKey(rand.Reader, minRSA)
	default:
		secret := make([]byte, jws.MinSecret)
		rand.Read(secret)
		return read(alg, secret)
	}
	if err != nil {
		return nil, fmt.Errorf("making a key for %s: %w", alg, err)
	}
	return fromPrivate(alg, private)
}

func fromPrivate(alg string, private any) (*material, error) {
	plain, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, fmt.Errorf("encoding a key for %s: %w", alg, err)
	}
	return read(alg, plain)
}

// read is the one way from bytes to a usable key, for keys made, stored and pinned alike; it checks their strength.
func read(alg string, plain []byte) (*material, error) {
	switch alg {
	case ES256:
		return readEC(plain)
	case RSAMD5:
		return readRSA(plain)
	case HS256:
		return readSecret(plain)
	case HMAC:
		return readMAC(plain)
	}
	return nil, fmt.Errorf("unknown key algorithm %q", alg)
}

func readEC(plain []byte) (*material, error) {
	private, err := x509.ParsePKCS8PrivateKey(plain)
	if err != nil {
		return nil, errors.New("the private key cannot be read")
	}
	key, ok := private.(*ecdsa.PrivateKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, errors.New("ES256 needs an EC key on the curve P-256 (prime256v1), this is another kind")
	}
	signer, err := jws.NewES256(key)
	if err != nil {
		return nil, err
	}
	m := &material{plain: plain, signer: signer, check: signer.ES256Public}
	return m, m.setPublic(&key.PublicKey)
}

func readRSA(plain []byte) (*material, error) {
	private, err := x509.ParsePKCS8PrivateKey(plain)
	if err != nil {
		return nil, errors.New("the private key cannot be read")
	}
	key, ok := private.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("the legacy token needs an RSA key, this is another kind")
	}
	if bits := key.N.BitLen(); bits < minRSA {
		return nil, fmt.Errorf("the RSA key has %d bits, at least %d are needed", bits, minRSA)
	}
	m := &material{plain: plain, rsa: key}
	return m, m.setPublic(&key.PublicKey)
}

func (m *material) setPublic(key crypto.PublicKey) error {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return fmt.Errorf("encoding a public key: %w", err)
	}
	m.public, m.der = key, der
	return nil
}

func readSecret(plain []byte) (*material, error) {
	key, err := jws.NewHS256(plain)
	if err != nil {
		return nil, fmt.Errorf("the secret has %d bytes, at least %d are needed", len(plain), jws.MinSecret)
	}
	return &material{plain: plain, signer: key, check: key}, nil
}

func readMAC(plain []byte) (*material, error) {
	m, err := readSecret(plain)
	if err != nil {
		return nil, err
	}
	return &material{plain: plain, mac: m.signer}, nil
}

// readWeakSecret takes what readSecret does not; nothing but a Want with WeakKey leads here.
func readWeakSecret(plain []byte) (*material, error) {
	key, err := jws.NewHS256FromWeakSecretOfOldVerifier(plain)
	if err != nil {
		return nil, errors.New("the secret is empty")
	}
	return &material{plain: plain, signer: key, check: key}, nil
}

// same tells whether two keys are one. It may take a time that depends on them: both are ours or the operator's.
func (m *material) same(other *material) bool { return bytes.Equal(m.plain, other.plain) }

const kidBytes = 12 // 16 characters

// kid names a key pair by its public half, so that every node and restart gives it the same name; a secret gets a
// random name, which tells nothing about it.
func (m *material) kid() string {
	name := make([]byte, kidBytes)
	if m.der == nil {
		rand.Read(name)
	} else {
		sum := sha256.Sum256(m.der)
		copy(name, sum[:])
	}
	return base64.RawURLEncoding.EncodeToString(name)
}
