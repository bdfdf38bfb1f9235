package client

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Why a token is refused, to be asked for with errors.Is. ErrUnavailable, also among the answers of Verify, says nothing
// about the token: the server could not be asked within the bound, and nobody may be let in.
var (
	ErrMalformed    = errors.New("malformed token")
	ErrSignature    = errors.New("no key of this service has signed the token: it is forged, or of another service")
	ErrWrongService = errors.New("token of another service")
	ErrWrongKind    = errors.New("not an access token")
	ErrExpired      = errors.New("token has expired")
	ErrNotYetValid  = errors.New("token is not valid yet")
	ErrRevoked      = errors.New("token was revoked")
)

// ediIssuer is what edi-tokens have always named.
const ediIssuer = "https://auth.edirepository.org"

// askTime is the longest that Verify itself waits for the server.
const askTime = 5 * time.Second

// VerifierConfig is what a Verifier needs to know of the server and the service.
type VerifierConfig struct {
	// Server is the server's base_url, such as https://tokens.example.org. Keys, lists and events come from there and
	// from nowhere else, whatever a token says. Required.
	Server string
	// Service is the name of the service in the server's configuration. Required.
	Service string
	// Dialect is that of the service: SESAR or EDI. Required.
	Dialect Dialect
	// Issuer is the iss of the service's tokens. Empty means what the server's configuration means by it: Server,
	// and for EDI https://auth.edirepository.org.
	Issuer string
	// Audience is the aud of the service's tokens. Empty means Service. A token of EDI has none.
	Audience string

	// EventsCredential, when set, makes the Verifier follow the server's event stream beside the lists, so that a
	// revocation is known at once. The lists' bound stays what is promised when the stream breaks.
	EventsCredential string

	// Leeway is how far the clocks may differ. Zero, which is the server's own, is right where clocks are kept.
	Leeway time.Duration
	// HTTPClient makes the requests; nil is one with a timeout of 10 s. The event stream uses its Transport alone.
	// Redirects are never followed.
	HTTPClient *http.Client
	// Log gets a line when the server cannot be reached or answers what must not be believed; nil drops them.
	Log *slog.Logger

	// UnsafePlainHTTP allows a Server that begins with http:// and is not this machine. Whoever sits on the way can
	// then hide revocations and make keys.
	UnsafePlainHTTP bool
	// UnsafeWithoutStatus accepts tokens that name no status list, as EDI's are under plain_claims. Such a token is
	// good until it expires, whatever happens.
	UnsafeWithoutStatus bool
}

// Verifier checks access tokens of one service without asking the server about each: by its published keys and status
// lists, fetched in the background. It is safe for concurrent use; a token that was seen before takes no lock and no
// signature check. Make one for the life of the program, and Close it.
//
// A revocation is known here within a quarter of the server's status_ttl (a minute by default) and two seconds, or at
// once with the event stream. When the server cannot be reached, lists are believed until they end, at most their ttl
// after they were fetched, and keys for an hour; then every token is refused with ErrUnavailable.
type Verifier struct {
	service, issuer, audience, lists string
	dialect                          Dialect
	leeway                           time.Duration
	withoutStatus                    bool
	client                           *http.Client
	log                              *slog.Logger
	now                              func() time.Time

	keys   *keeper[keys]
	seen   cache
	known  atomic.Pointer[map[string]*followed] // :: address → list; copied on write
	adding sync.Mutex
	events *events // nil without a credential

	alive  context.Context
	cancel context.CancelFunc
	work   sync.WaitGroup
}

// followed is one list that tokens have named.
type followed struct {
	*keeper[statusList]
	used atomic.Int64 // Unix seconds when a token last named it
	stop context.CancelFunc
}

const (
	maxFollowed = 1024             // lists of 131,072 grants each
	idleList    = 10 * time.Minute // a list that no token has named for so long is not fetched any more
)

// NewVerifier checks the configuration and begins to fetch keys in the background. A server that cannot be reached is no
// error here: Verify says so.
func NewVerifier(c VerifierConfig) (*Verifier, error) {
	server := strings.TrimSuffix(c.Server, "/")
	if err := checkAddress(server, c.UnsafePlainHTTP); err != nil {
		return nil, err
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	v := &Verifier{service: c.Service, issuer: c.Issuer, audience: c.Audience, lists: server + "/symbolon/status/",
		dialect: c.Dialect, leeway: c.Leeway, withoutStatus: c.UnsafeWithoutStatus,
		client: withoutRedirects(c.HTTPClient), log: c.Log, now: time.Now}
	v.defaults(server)
	v.known.Store(&map[string]*followed{})
	v.alive, v.cancel = context.WithCancel(context.Background())
	v.keys = newKeeper(noting(v, fetchKeys(v.client, server+"/symbolon/keys/"+c.Service+"/jwks.json")))
	v.work.Go(func() { v.keys.run(v.alive) })
	if c.EventsCredential != "" {
		v.events = newEvents(v, server+"/symbolon/events", c.EventsCredential)
		v.work.Go(func() { v.events.run(v.alive) })
	}
	return v, nil
}

func (c VerifierConfig) check() error {
	switch {
	case c.Service == "" || strings.ContainsFunc(c.Service, notInName):
		return errors.New("client: VerifierConfig.Service must be the name of a service, such as samples")
	case c.Dialect != SESAR && c.Dialect != EDI:
		return errors.New("client: VerifierConfig.Dialect must be SESAR or EDI")
	case c.Dialect == EDI && c.Audience != "":
		return errors.New("client: VerifierConfig.Audience must be empty for EDI, whose tokens have none")
	case c.Leeway < 0 || c.Leeway > time.Minute:
		return errors.New("client: VerifierConfig.Leeway must lie between 0 and one minute")
	}
	return nil
}

func notInName(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_')
}

func (v *Verifier) defaults(server string) {
	switch {
	case v.dialect == EDI && v.issuer == "":
		v.issuer = ediIssuer
	case v.issuer == "":
		v.issuer = server
	}
	if v.dialect == SESAR && v.audience == "" {
		v.audience = v.service
	}
	if v.log == nil {
		v.log = slog.New(slog.DiscardHandler)
	}
}

// Close stops the goroutines and waits for them. Verify then answers ErrUnavailable once what it has grows old.
func (v *Verifier) Close() error {
	v.adding.Lock() // so that no list begins to be followed afterwards
	v.cancel()
	v.adding.Unlock()
	v.work.Wait()
	return nil
}

// Verify checks an access token and returns what it says; the caller must not change it. It waits for the server, at
// most five seconds, only where a key or a list has not been seen before. Errors are those above; none holds the token.
// It does not check what the account may do, nor whether it still has the groups that the token names.
func (v *Verifier) Verify(ctx context.Context, token string) (*Claims, error) {
	c, err := v.claims(ctx, token)
	if err != nil {
		return nil, err
	}
	now := v.now()
	switch {
	case !now.Before(c.Expires.Add(v.leeway)):
		return nil, ErrExpired
	case c.IssuedAt.After(now.Add(v.leeway)) || c.NotBefore.After(now.Add(v.leeway)):
		return nil, ErrNotYetValid
	}
	if err := v.status(ctx, c); err != nil {
		return nil, err
	}
	return c, nil
}

// claims gives what a token says once its signature has been checked, now or before under the same keys.
func (v *Verifier) claims(ctx context.Context, token string) (*Claims, error) {
	if len(token) > maxToken { // before its hash is made: a long one costs nothing
		return nil, fmt.Errorf("%w: it is longer than %d bytes", ErrMalformed, maxToken)
	}
	k, err := v.freshKeys(ctx)
	if err != nil {
		return nil, err
	}
	hash := sha256.Sum256([]byte(token))
	if c := v.seen.get(hash, k.set); c != nil {
		return c, nil
	}
	t, err := parseJWS(token, maxToken)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if t.typ != typeOfTokens {
		return nil, fmt.Errorf("%w: its typ is not %s", ErrWrongKind, typeOfTokens)
	}
	kid, grant := v.kidOf(t)
	if k, err = v.verified(ctx, t, kid, k); err != nil {
		return nil, err
	}
	c, err := v.readClaims(t.payload)
	if err != nil {
		return nil, err
	}
	if c.Grant == 0 {
		c.Grant = grant
	}
	v.seen.put(hash, k.set, c)
	return c, nil
}

// kidOf gives the key that a token names, or the grant where it is an edi-token's under plain_claims: s1.GRANT.CAP.
func (v *Verifier) kidOf(t jws) (kid string, grant int64) {
	text, plain := strings.CutPrefix(t.kid, "s1.")
	if v.dialect != EDI || !plain {
		return t.kid, 0
	}
	number, _, _ := strings.Cut(text, ".")
	grant, _ = strconv.ParseInt(number, 10, 64) // 0 for what is none
	return "", max(0, grant)
}

func (v *Verifier) freshKeys(ctx context.Context) (*keys, error) {
	k := v.keys.value.Load()
	if k == nil {
		k = waitFor(ctx, v, v.keys, longestWait)
	}
	if !k.fresh(time.Now()) {
		return nil, fmt.Errorf("%w: its keys are not known", ErrUnavailable)
	}
	return k, nil
}

// waitFor gives a keeper the time to fetch, unless it has failed just now.
func waitFor[T any](ctx context.Context, v *Verifier, k *keeper[T], gap time.Duration) *T {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	if v.alive.Err() == nil {
		k.await(ctx, gap)
	}
	return k.value.Load()
}

// verified finds the key that signed t, fetching the keys anew where none did, but not more often than keyGap. It
// returns the keys by which it was found.
func (v *Verifier) verified(ctx context.Context, t jws, kid string, k *keys) (*keys, error) {
	if signedBy(t, kid, *k.set) {
		return k, nil
	}
	if kid == "" || len(candidates(*k.set, kid)) == 0 {
		if k = waitFor(ctx, v, v.keys, keyGap); signedBy(t, kid, *k.set) {
			return k, nil
		}
	}
	return nil, ErrSignature
}

func signedBy(t jws, kid string, set []publicKey) bool {
	for _, k := range candidates(set, kid) {
		if t.verify(k.key) {
			return true
		}
	}
	return false
}

// status looks up whether the token was revoked.
func (v *Verifier) status(ctx context.Context, c *Claims) error {
	if v.events != nil && v.events.hasEnded(c) {
		return ErrRevoked
	}
	if c.list == "" {
		return nil
	}
	f := v.follow(c.list)
	now := v.now()
	if sec := now.Unix(); f.used.Load() != sec {
		f.used.Store(sec)
	}
	l := f.value.Load()
	if !l.current(now, v.leeway) {
		if l = waitFor(ctx, v, f.keeper, longestWait); !l.current(v.now(), v.leeway) {
			return fmt.Errorf("%w: its list of revoked tokens is not known", ErrUnavailable)
		}
	}
	marked, ok := l.ended(c.idx)
	switch {
	case !ok:
		return fmt.Errorf("%w: its status names no place in its list", ErrMalformed)
	case marked || c.IssuedAt.Unix() < l.notBefore(v.service):
		return ErrRevoked
	}
	return nil
}

// follow finds a list among those that are followed, or begins to.
func (v *Verifier) follow(uri string) *followed {
	if f := (*v.known.Load())[uri]; f != nil {
		return f
	}
	v.adding.Lock()
	defer v.adding.Unlock()
	all := maps.Clone(*v.known.Load())
	if f := all[uri]; f != nil {
		return f
	}
	if len(all) >= maxFollowed {
		oldest := uri
		for other, f := range all {
			if oldest == uri || f.used.Load() < all[oldest].used.Load() {
				oldest = other
			}
		}
		all[oldest].stop()
		delete(all, oldest)
	}
	ctx, stop := context.WithCancel(v.alive)
	f := &followed{stop: stop}
	f.used.Store(v.now().Unix())
	f.keeper = newKeeper(noting(v, v.fetchList(uri, f)))
	all[uri] = f
	v.known.Store(&all)
	if v.alive.Err() == nil {
		v.work.Go(func() { f.run(ctx) })
	}
	return f
}

// forget ends the following of a list. A token that names it begins it anew.
func (v *Verifier) forget(uri string, f *followed) {
	v.adding.Lock()
	defer v.adding.Unlock()
	all := maps.Clone(*v.known.Load())
	if all[uri] == f {
		delete(all, uri)
		v.known.Store(&all)
	}
	f.stop()
}

// fetchList is a keeper's fetch of one list.
func (v *Verifier) fetchList(uri string, f *followed) func(context.Context, *statusList) (*statusList, time.Duration, error) {
	return func(ctx context.Context, have *statusList) (*statusList, time.Duration, error) {
		if v.now().Unix()-f.used.Load() > int64(idleList/time.Second) {
			v.forget(uri, f)
			return nil, 0, context.Canceled
		}
		etag := ""
		if have != nil {
			etag = have.etag
		}
		d, err := fetchDocument(ctx, v.client, uri, listType, etag, maxListText)
		if err != nil {
			return nil, 0, fmt.Errorf("fetching a status list: %w", err)
		}
		next := have
		if !d.same {
			if next, err = v.readList(ctx, d, uri); err != nil {
				return nil, 0, fmt.Errorf("refusing the status list %s: %w", uri, err)
			}
			if have != nil && next.issued.Before(have.issued) {
				return nil, 0, fmt.Errorf("refusing the status list %s: it is older than the one before", uri)
			}
		}
		again := next.ttl / 4
		if d.maxAge > 0 {
			again = min(again, max(d.maxAge, time.Second))
		}
		if v.events.ahead(next) { // the server makes a list once a second at most
			again = time.Second
		}
		return next, again, nil
	}
}

func (v *Verifier) readList(ctx context.Context, d document, uri string) (*statusList, error) {
	t, err := parseJWS(string(d.text), maxListText)
	if err != nil {
		return nil, err
	}
	k, err := v.freshKeys(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := v.verified(ctx, t, t.kid, k); err != nil {
		return nil, errors.New("no key of the server has signed it")
	}
	l, err := parseList(t, uri, v.now())
	if err != nil {
		return nil, err
	}
	l.etag, l.fetched = d.etag, d.fetched
	v.events.learn(l)
	return l, nil
}

// noting logs what goes wrong in the background.
func noting[T any](v *Verifier, fetch func(context.Context, *T) (*T, time.Duration, error)) func(context.Context, *T) (*T, time.Duration, error) {
	return func(ctx context.Context, have *T) (*T, time.Duration, error) {
		next, again, err := fetch(ctx, have)
		if err != nil && ctx.Err() == nil {
			v.log.WarnContext(ctx, "checking tokens: news of the token service failed", "service", v.service, "err", err)
		}
		return next, again, err
	}
}
