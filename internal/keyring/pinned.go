package keyring

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"unicode"
	"unicode/utf8"

	"symbolon/internal/jws"
)

// publishedSecrets are default keys of CollectiveAccess releases: everyone knows them.
var publishedSecrets = []string{"blah", "0d599f0ec05c3bda8c3b8a68c32a1b47"}

// CheckPinned reports everything wrong with the pinned keys of wants, without a store: keys that are weak, unreadable
// or published, and one key in two places. Wants without a pinned key are not looked at.
func CheckPinned(wants []Want) error {
	var problems []error
	seen := owners{}
	for _, w := range wants {
		if w.Pinned == nil {
			continue
		}
		m, err := w.pinned()
		if err == nil {
			err = seen.add(m, w.Service, w.Purpose)
		}
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

// pinned reads the key file's content.
func (w *Want) pinned() (*material, error) {
	m, err := w.readPinned()
	if err != nil {
		return nil, fmt.Errorf("the %s key file of service %q: %w", w.Purpose, w.Service, err)
	}
	return m, nil
}

func (w *Want) readPinned() (*material, error) {
	if w.WeakKey && w.Alg == HS256 {
		return readWeakSecret(trimSecret(w.Pinned))
	}
	return readPinned(w.Alg, w.Pinned)
}

// isWeak reports whether a secret is one that only a Want with WeakKey may use.
func isWeak(secret []byte) bool {
	return len(secret) < jws.MinSecret || slices.Contains(publishedSecrets, string(secret))
}

func readPinned(alg string, content []byte) (*material, error) {
	if alg == HS256 {
		secret := trimSecret(content)
		if slices.Contains(publishedSecrets, string(secret)) {
			return nil, errors.New("it is a default key that CollectiveAccess has published, anyone can sign with it; make another")
		}
		return readSecret(secret)
	}
	private, err := readPEM(content)
	if err != nil {
		return nil, err
	}
	return fromPrivate(alg, private)
}

// trimSecret drops the line break that an editor or echo leaves at the end of a text; a binary secret stays whole.
func trimSecret(content []byte) []byte {
	line := bytes.TrimSuffix(bytes.TrimSuffix(content, []byte("\n")), []byte("\r"))
	isControl := func(r rune) bool { return r == utf8.RuneError || unicode.IsControl(r) }
	if bytes.ContainsFunc(line, isControl) {
		return bytes.Clone(content)
	}
	return bytes.Clone(line)
}

// readPEM takes the first private key of the text; openssl writes `EC PARAMETERS` before it.
func readPEM(content []byte) (any, error) {
	for {
		block, rest := pem.Decode(content)
		if block == nil {
			return nil, errors.New("it holds no private key in PEM form")
		}
		switch block.Type {
		case "PRIVATE KEY":
			return parsed(x509.ParsePKCS8PrivateKey(block.Bytes))
		case "EC PRIVATE KEY":
			return parsed(x509.ParseECPrivateKey(block.Bytes))
		case "RSA PRIVATE KEY":
			return parsed(x509.ParsePKCS1PrivateKey(block.Bytes))
		case "ENCRYPTED PRIVATE KEY":
			return nil, errors.New("the private key is encrypted; decrypt it with: openssl pkey")
		}
		content = rest
	}
}

// parsed words a failure without the parser's text, which may hold pieces of the key.
func parsed[T any](key T, err error) (any, error) {
	if err != nil {
		return nil, errors.New("the private key cannot be read")
	}
	return key, nil
}

// owners finds one key in two places. :: hash of key → who has it
type owners map[[sha256.Size]byte]string

func (o owners) add(m *material, service string, purpose Purpose) error {
	hash := sha256.Sum256(m.plain)
	name := fmt.Sprintf("%q (%s)", service, purpose)
	if other, ok := o[hash]; ok {
		return fmt.Errorf("services %s and %s have the same key; who holds it could sign for both: give each its own", other, name)
	}
	o[hash] = name
	return nil
}
