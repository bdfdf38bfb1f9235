package app

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"maps"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"symbolon/internal/config"
	"symbolon/internal/dialect/edi"
	"symbolon/internal/httpio"
	"symbolon/internal/jws"
	"symbolon/internal/keyring"
	"symbolon/internal/statuslist"
)

// document is what everybody may read and keep for a while. It is read-only: many answers share it.
type document struct {
	body   []byte
	tag    string
	header http.Header
}

func publish(kind string, body []byte, keep time.Duration) *document {
	sum := sha256.Sum256(body)
	tag := `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
	return &document{body, tag, http.Header{
		"Content-Type": {kind}, "Etag": {tag}, "Access-Control-Allow-Origin": {"*"},
		"Cache-Control": {"public, max-age=" + strconv.FormatInt(int64(keep/time.Second), 10)}}}
}

// answer is the document, or 304 to who has it.
func (d *document) answer(r *httpio.Request) httpio.Response {
	if !hasTag(r.Header["If-None-Match"], d.tag) {
		return httpio.Response{Status: http.StatusOK, Header: d.header, Body: d.body}
	}
	header := maps.Clone(d.header)
	header.Del("Content-Type")
	return httpio.Response{Status: http.StatusNotModified, Header: header}
}

// hasTag compares weakly, as If-None-Match does (RFC 9110 §13.1.2).
func hasTag(lines []string, tag string) bool {
	for _, line := range lines {
		for one := range strings.SplitSeq(line, ",") {
			if one = strings.TrimSpace(one); one == "*" || strings.TrimPrefix(one, "W/") == tag {
				return true
			}
		}
	}
	return false
}

const jwksType = "application/jwk-set+json"

func (a *App) jwks(_ context.Context, r *httpio.Request) httpio.Response { return a.keySet(r) }

// keySet is the set of the keys of services, or of all. It is laid out once a second at most, or when the keys change.
func (a *App) keySet(r *httpio.Request, services ...string) httpio.Response {
	name, now := strings.Join(services, " "), a.now()
	set, ok := a.keySets.Load(name)
	if !ok || !set.(*keySet).good(a.Keys.Version(), now) {
		version := a.Keys.Version()
		set = &keySet{publish(jwksType, a.Keys.JWKS(services...), keysKept(a.Config)), version, now}
		a.keySets.Store(name, set)
	}
	return set.(*keySet).answer(r)
}

// keySet is a set as it was laid out, of keys of a version.
type keySet struct {
	*document
	version uint64
	at      time.Time
}

// good reports whether the set is still true: a key that comes to its end makes no new version.
func (s *keySet) good(version uint64, now time.Time) bool {
	age := now.Sub(s.at)
	return s.version == version && age >= 0 && age < time.Second
}

// serviceJWKS is what a verifier of one service needs: its keys and the one of the status lists.
func (a *App) serviceJWKS(_ context.Context, r *httpio.Request) httpio.Response {
	service := r.PathValue("service")
	if a.mount(service) == nil {
		return ownFailure(http.StatusNotFound)
	}
	return a.keySet(r, service, "")
}

const statusPath = "/symbolon/status/"

// statusBase is empty while it is not known under which name others come here.
func statusBase(c *config.Config) string {
	if c.BaseURL == "" {
		return ""
	}
	return c.BaseURL + statusPath
}

func (a *App) statusSigner() (jws.Signer, string, error) {
	return a.Keys.Signer("", keyring.Status, a.now())
}

// publishList lets a cache keep a list for a quarter of its life, so that what it gives out has still some before it.
func publishList(text []byte, life time.Duration) *document {
	return publish(statuslist.MediaType, text, life/4)
}

// statusList is a list, or 503 rather than an old one.
func (a *App) statusList(ctx context.Context, r *httpio.Request) httpio.Response {
	text := r.PathValue("list")
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || strconv.FormatInt(n, 10) != text { // a list's number is written in one way only
		return ownFailure(http.StatusNotFound)
	}
	list, err := a.lists.List(ctx, n, a.now())
	switch {
	case err != nil:
		a.log.WarnContext(ctx, "a status list cannot be given", "list", n, "err", err)
		return later()
	case list == nil:
		return ownFailure(http.StatusNotFound)
	}
	return list.answer(r)
}

// later is a failure that will pass.
func later() httpio.Response {
	resp := ownFailure(http.StatusServiceUnavailable)
	resp.Header.Set("Retry-After", "1")
	return resp
}

// keyFile serves a service's public keys as files: SERVICE.pem for the access
// tokens, SERVICE-legacy.crt for EDI's legacy token.
func (a *App) keyFile(ctx context.Context, r *httpio.Request) httpio.Response {
	file := r.PathValue("file")
	if name, ok := strings.CutSuffix(file, "-legacy.crt"); ok {
		return a.legacyCertificate(ctx, r, name)
	}
	name, ok := strings.CutSuffix(file, ".pem")
	if !ok || a.mount(name) == nil {
		return ownFailure(http.StatusNotFound)
	}
	var out []byte
	for _, k := range a.Keys.Public(name) {
		der, err := x509.MarshalPKIXPublicKey(k.Key)
		if err != nil || k.Alg != "ES256" {
			continue
		}
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})...)
	}
	if out == nil {
		return ownFailure(http.StatusNotFound)
	}
	return publish("application/x-pem-file", out, keysKept(a.Config)).answer(r)
}

func (a *App) legacyCertificate(ctx context.Context, r *httpio.Request, service string) httpio.Response {
	m := a.mount(service)
	if m == nil || m.config.EDI == nil {
		return ownFailure(http.StatusNotFound)
	}
	body, err := a.certificate(ctx, m)
	if err != nil {
		a.log.ErrorContext(ctx, "publishing the legacy certificate failed", "service", service, "err", err)
		return later()
	}
	return publish("application/x-x509-ca-cert", body, keysKept(a.Config)).answer(r)
}

func (a *App) certificate(ctx context.Context, m *mount) ([]byte, error) {
	if file := m.config.EDI.LegacyCertFile; file != "" {
		return os.ReadFile(file)
	}
	key, err := a.Keys.Legacy(ctx, m.config.Name)
	if err != nil {
		return nil, err
	}
	if made, ok := a.certificates.Load(key); ok { // signing is dear, and this is open to everybody
		return made.([]byte), nil
	}
	made, err := edi.Certificate(key)
	if err == nil {
		a.certificates.Store(key, made)
	}
	return made, err
}
