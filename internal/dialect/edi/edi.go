// Package edi speaks the token API of the EDI/PASTA authentication server: the
// edi-token (an ES256 JWT with the old server's claims in its order), the legacy
// pasta-token that rides beside it, the exchange of an API key, the call by
// which a trusted service gets a token for any profile, and the sign-in of programs.
//
// It only translates. Who may do what, lifetimes, revocation and audit are the
// engine's; what this package decides itself is how the two tokens of a pair
// belong together (legacy.go), because the engine knows nothing of the second.
package edi

import (
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"symbolon/internal/config"
	"symbolon/internal/secret"
	"symbolon/internal/token"
)

// Options are what a Dialect needs beside its configuration; all but Dev, SignIn and Browser are required.
type Options struct {
	Dev bool // adds GET v1/whoami
	// Legacy returns the RSA key of the legacy tokens, waiting while it is being made.
	Legacy func(context.Context) (*rsa.PrivateKey, error)
	// SignIn is asked by GET login/pasta; without it there is no such path.
	SignIn SignIn
	// Browser is asked by login/PROVIDER and callback/PROVIDER; without it there are no
	// such paths.
	Browser Browser
	Log     *slog.Logger
}

// Dialect is one configured mount. It is safe for concurrent use.
type Dialect struct {
	service *token.Service
	format  *format
	legacy  *legacyTokens
	prefix  string
	dev     bool
	signIn  SignIn
	browser Browser
	log     *slog.Logger
}

// minTokenKey is the shortest service secret in bytes that is taken.
const minTokenKey = 20

// New makes a dialect from its config entry, which must have passed Check. It reads
// token_key_file; a file that cannot be read or holds under 20 bytes is an error.
func New(c config.Service, o Options) (*Dialect, error) {
	f := &format{issuer: c.Issuer, edi: *c.EDI}
	d := &Dialect{
		format:  f,
		legacy:  newLegacyTokens(o.Legacy, time.Duration(c.EDI.LegacyLifetime)),
		prefix:  strings.TrimSuffix(c.Path, "/"),
		dev:     o.Dev,
		signIn:  o.SignIn,
		browser: o.Browser,
		log:     o.Log,
	}
	key, err := serviceKey(c.EDI.TokenKeyFile)
	if err != nil {
		return nil, fmt.Errorf("service %s: %w", c.Name, err)
	}
	d.service = &token.Service{
		Name:            c.Name,
		Format:          f,
		AccessLifetime:  time.Duration(c.AccessLifetime),
		Cap:             time.Duration(c.Cap),
		Limits:          map[token.GrantKind]int{token.Session: c.Sessions, token.Pair: c.Sessions},
		Types:           c.Allow.Types,
		Groups:          c.Allow.Groups,
		RequireIdentity: c.RequireIdentity,
		TakesKeys:       true,
		NoTokenID:       true,
		NewSubject:      f.newSubject,
		Names:           f.names,
		NamesLive:       max(d.legacy.lifetime, time.Duration(c.AccessLifetime)) + time.Minute,
		ServiceKey:      key,
		System:          f.system,
	}
	return d, nil
}

// Service is what the engine and the store are told of this mount. Read-only.
func (d *Dialect) Service() *token.Service { return d.service }

// serviceKey returns the digest of the operator's secret, zero when there is no file.
func serviceKey(file string) ([32]byte, error) {
	if file == "" {
		return [32]byte{}, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return [32]byte{}, fmt.Errorf("reading token_key_file: %w", err)
	}
	key := strings.TrimSpace(string(text))
	if len(key) < minTokenKey {
		return [32]byte{}, fmt.Errorf("token_key_file %s holds %d characters; put a random secret of %d or more there", file, len(key), minTokenKey)
	}
	return sha256.Sum256([]byte(key)), nil
}

// Companions returns both tokens of a pair by their names on the wire, for tokens the
// engine has just issued from the store. It asks no engine, which in a command has no
// news: the legacy token's end tells to the millisecond when it was made.
func (d *Dialect) Companions(ctx context.Context, t token.Tokens) (map[string]string, error) {
	both := map[string]string{"edi-token": t.Access.Reveal()}
	who := d.format.legacyOf(t.Subject)
	if !who.usable() {
		return both, nil
	}
	who.ends = d.legacy.exactEnd(t.Grant.IssuedAt, t.Cap)
	text, err := d.legacy.mint(ctx, who)
	if err != nil {
		return nil, err
	}
	both["pasta-token"] = text.Reveal()
	return both, nil
}

// mintLegacy mints the legacy token beside t, later than any cut-off of its uid. The
// zero Text is for who cannot have one, or not up to its cap.
func (d *Dialect) mintLegacy(ctx context.Context, e Engine, who legacyToken, t token.Tokens) (secret.Text, error) {
	if !who.usable() {
		return secret.Text{}, nil
	}
	if err := e.Hear(ctx); err != nil {
		return secret.Text{}, err
	}
	at, heard, err := e.CutOff(d.service.Name, who.uid)
	if err != nil {
		return secret.Text{}, err
	}
	if at.After(t.Asked) {
		return secret.Text{}, token.Refuse(token.Unavailable, "the account's tokens were ended while this one was made")
	}
	if who.ends = d.legacy.end(t.Issued, t.Cap, at, heard); who.ends.IsZero() {
		return secret.Text{}, nil
	}
	return d.legacy.mint(ctx, who)
}
