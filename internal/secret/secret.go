// Package secret holds values that must never be shown: a text that redacts
// itself wherever Go can print, log or encode it, and the one source of random
// bytes. It owns no policy; whoever needs the plain text says so with Reveal.
package secret

import (
	"crypto/rand"
	"log/slog"
)

const redacted = "[redacted]"

// Text is a secret text that prints, logs and encodes as "[redacted]", or as
// nothing when empty. The zero value is the empty secret.
//
// The text hides behind a pointer: fmt calls no methods on unexported fields,
// and would print a plain string type there, but of a nested pointer it prints
// only the address.
type Text struct{ p *string }

// New returns s as a secret. The caller's own copy of s stays readable.
func New(s string) Text {
	if s == "" {
		return Text{}
	}
	return Text{&s}
}

// Reveal returns the plain text, the only way to get at it.
func (t Text) Reveal() string {
	if t.p == nil {
		return ""
	}
	return *t.p
}

// IsZero reports whether the secret is empty.
func (t Text) IsZero() bool { return t.p == nil }

// String returns "[redacted]", or "" for the empty secret.
func (t Text) String() string {
	if t.p == nil {
		return ""
	}
	return redacted
}

// GoString does for %#v what String does for %v.
func (t Text) GoString() string { return t.String() }

// MarshalText redacts the secret in JSON and YAML, as value and as map key. It
// never fails.
func (t Text) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// LogValue redacts the secret as a slog attribute.
func (t Text) LogValue() slog.Value { return slog.StringValue(t.String()) }

// Random returns n bytes from the system's generator, which ends the process
// rather than return an error or weak bytes.
func Random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}
