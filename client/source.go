package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"
	"golang.org/x/oauth2"
)

// ErrNewPair means that a human must make a new pair of tokens and write it to the Source's file: there is none, or the
// server refuses it for good. Trying again is of no use before.
var ErrNewPair = errors.New("a new pair of tokens is needed")

// ErrUnavailable means that the token service, or news from it, cannot be had at the moment. Trying again later is right.
var ErrUnavailable = errors.New("the token service is unavailable")

// Times that a Source keeps to.
const (
	patience     = 30 * time.Second // how long Token waits for the server when it has nothing good to give
	aheadTime    = 5 * time.Second  // how long it waits when what it has is still good
	maxEarly     = 5 * time.Minute  // a token is renewed at most so long before its end
	firstBackoff = 250 * time.Millisecond
	maxBackoff   = time.Minute
	maxRetry     = time.Hour // longest Retry-After that is kept to; also how long a refused pair rests
	lockPoll     = 20 * time.Millisecond
)

// SourceConfig is what a Source needs. Processes that share a File need the same.
type SourceConfig struct {
	// Endpoint is the call that renews the tokens. Required.
	Endpoint Endpoint

	// File holds the tokens, as JSON with the members access, refresh and (EDI) pasta-token: what `symbolon token issue
	// --json` prints. It is rewritten with mode 0600 at each refresh; its folder must allow that. FILE.lock beside it is
	// the lock. Required.
	File string

	// HTTPClient makes the requests; nil is one with a timeout of 10 s. Redirects are never followed.
	HTTPClient *http.Client

	// UnsafePlainHTTP allows an address that begins with http:// and is not of this machine. Whoever listens on the
	// way then holds the tokens.
	UnsafePlainHTTP bool
}

// Source gives an access token that is good now, and renews it ahead of its end. Any number of processes and goroutines
// may share one file: one of them refreshes, the others take what it wrote. A refresh cut off at any point, by a crash
// or a lost answer, is asked for again under the same Idempotency-Key, so that the server gives the same pair again
// and does not take it for theft; that must happen within the server's replay_window. It is an oauth2.TokenSource, safe
// for concurrent use, and has nothing to be closed.
type Source struct {
	endpoint  Endpoint
	file      string
	lock      *flock.Flock
	client    *http.Client
	now       func() time.Time
	eagerness float64              // of this process, so that not all wake at once: 0.5 to 1
	turn      chan struct{}        // holds one token; who has it may use lock and file
	current   atomic.Pointer[pair] // newest known; nil at first
}

var _ oauth2.TokenSource = (*Source)(nil)

// NewSource checks the configuration. It reads no file and asks no server yet.
func NewSource(c SourceConfig) (*Source, error) {
	if c.Endpoint.request == nil {
		return nil, errors.New("client: SourceConfig.Endpoint is missing: make one with SESARRefresh, EDIRefresh, EDIKeyExchange or OAuth2Refresh")
	}
	if err := checkAddress(c.Endpoint.url, c.UnsafePlainHTTP); err != nil {
		return nil, err
	}
	if c.File == "" {
		return nil, errors.New("client: SourceConfig.File is missing: name the file that holds the tokens")
	}
	file, err := realPath(c.File)
	if err != nil {
		return nil, fmt.Errorf("client: finding the file of the tokens: %w", err)
	}
	s := &Source{endpoint: c.Endpoint, file: file, client: withoutRedirects(c.HTTPClient), now: time.Now,
		lock: flock.New(file+".lock", flock.SetPermissions(0o600)), eagerness: 0.5 + mathrand.Float64()/2, turn: make(chan struct{}, 1)}
	s.turn <- struct{}{}
	return s, nil
}

// checkAddress lets tokens go only where they stay secret: over TLS, or within this machine.
func checkAddress(address string, plain bool) error {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return errors.New("client: the address of the token service must be a URL such as https://tokens.example.org/…")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("client: the address of the token service must have no user, query or fragment")
	case u.Scheme == "http" && !plain && !loopback(u.Hostname()):
		return fmt.Errorf("client: %s begins with http://: tokens would be readable on the way; use https://", address)
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// withoutRedirects copies a client: nobody may send our tokens on to another address.
func withoutRedirects(c *http.Client) *http.Client {
	if c == nil {
		c = &http.Client{Timeout: 10 * time.Second}
	}
	own := *c
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}

// Token returns an access token that is good now, with its end and, for EDI, Extra("pasta-token"). It waits at most
// 30 s, and not at all where that cannot help. Errors are ErrNewPair, ErrUnavailable or of the file; none holds a token.
func (s *Source) Token() (*oauth2.Token, error) { return s.TokenContext(context.Background()) }

// TokenContext is Token for callers with a context, whose end may cut the waiting short. A refresh that it cuts off
// loses nothing.
func (s *Source) TokenContext(ctx context.Context) (*oauth2.Token, error) {
	limit := patience
	held := s.current.Load()
	if held != nil && held.good(s.now()) {
		if !s.due(*held) {
			return held.token(), nil
		}
		limit = aheadTime
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	p, err := s.renew(ctx)
	if err != nil && held != nil && held.good(s.now()) {
		return held.token(), nil
	}
	if err != nil {
		return nil, fmt.Errorf("client: renewing the tokens of %s: %w", s.file, err)
	}
	return p.token(), nil
}

// Discard forgets an access token that a service has refused although its time has not come, as after the emergency
// removal of a signing key: the next call of Token renews. A token that is not the present one is ignored.
func (s *Source) Discard(ctx context.Context, accessToken string) error {
	if err := s.enter(ctx); err != nil {
		return fmt.Errorf("client: discarding a token: %w", err)
	}
	defer s.leave()
	p, err := readPair(s.file)
	if err != nil {
		return fmt.Errorf("client: discarding a token: %w", err)
	}
	if p.Access != accessToken {
		return nil
	}
	p.Expires = s.now()
	s.current.Store(&p)
	return writePair(s.file, p)
}

func (p pair) token() *oauth2.Token {
	t := &oauth2.Token{AccessToken: p.Access, TokenType: "Bearer", Expiry: p.Expires}
	if p.Pasta != "" {
		t = t.WithExtra(map[string]any{"pasta-token": p.Pasta})
	}
	return t
}

// due reports whether it is time to renew. Processes begin at moments of their own within the time for it.
func (s *Source) due(p pair) bool {
	early := float64(p.Expires.Sub(p.Renew)) * s.eagerness
	return p.Expires.Sub(s.now()) <= time.Duration(early)
}

// renew makes turns until one has an outcome, sleeping between them with nothing locked. It does not sleep where the
// caller's time would be over before the next turn.
func (s *Source) renew(ctx context.Context) (pair, error) {
	end, _ := ctx.Deadline()
	for {
		p, wait, err := s.turnOnce(ctx)
		if wait == 0 || time.Until(end) <= wait {
			return p, err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return pair{}, errors.Join(err, ctx.Err())
		}
	}
}

func (s *Source) enter(ctx context.Context) error {
	select {
	case <-s.turn:
	case <-ctx.Done():
		return ctx.Err()
	}
	if ok, err := s.lock.TryLockContext(ctx, lockPoll); !ok {
		s.turn <- struct{}{}
		return fmt.Errorf("waiting for the lock %s: %w", s.lock.Path(), err)
	}
	return nil
}

func (s *Source) leave() {
	_ = s.lock.Unlock() // the next Lock opens it anew, whatever came of this
	s.turn <- struct{}{}
}

// turnOnce makes one attempt, holding the lock. A wait above zero asks for another turn after it.
func (s *Source) turnOnce(ctx context.Context) (pair, time.Duration, error) {
	if err := s.enter(ctx); err != nil {
		return pair{}, 0, err
	}
	defer s.leave()
	p, err := s.read()
	if err != nil {
		return pair{}, 0, err
	}
	if p.good(s.now()) && !s.due(p) { // another process was faster
		return s.hold(p), 0, nil
	}
	if wait := p.RetryAt.Sub(s.now()); 0 < wait && wait <= maxRetry { // a longer one is of a clock that has changed
		return s.rest(p, wait)
	}
	// What will be asked is in the file before it is asked: whoever comes after a crash asks the same.
	if p.Attempt == "" {
		p.Attempt = rand.Text()
		if err := writePair(s.file, p); err != nil {
			return pair{}, 0, fmt.Errorf("noting the attempt: %w", err)
		}
	}
	got, err := s.endpoint.call(ctx, s.client, p, s.now)
	return s.settle(p, got, err)
}

// read gives the pair that the file holds, or an empty one where a key needs none.
func (s *Source) read() (pair, error) {
	p, err := readPair(s.file)
	switch {
	case errors.Is(err, fs.ErrNotExist) && s.endpoint.keyed:
		return pair{}, nil
	case errors.Is(err, fs.ErrNotExist):
		return pair{}, fmt.Errorf("%w: there is no such file: write a new pair to it", ErrNewPair)
	case err != nil:
		return pair{}, err
	}
	if missing := s.endpoint.missing(p); missing != "" {
		return pair{}, fmt.Errorf("%w: the file holds no %s: write a new pair to it", ErrNewPair, missing)
	}
	return p, nil
}

// hold keeps the pair in memory for the calls to come.
func (s *Source) hold(p pair) pair {
	s.current.Store(&p)
	return p
}

// rest is the outcome while nobody may ask the server.
func (s *Source) rest(p pair, wait time.Duration) (pair, time.Duration, error) {
	switch {
	case p.good(s.now()):
		return s.hold(p), 0, nil
	case p.Ended:
		return pair{}, 0, s.endpoint.refusal()
	}
	return pair{}, wait, fmt.Errorf("%w: it did not answer as it should %d times in a row", ErrUnavailable, p.Failures)
}

// settle writes the outcome of asking with p to the file, and only then believes it.
func (s *Source) settle(p, got pair, err error) (pair, time.Duration, error) {
	if theirs, readErr := s.read(); readErr == nil && (theirs.Access != p.Access || theirs.Refresh != p.Refresh) {
		return pair{}, time.Millisecond, err // another pair was put there meanwhile: that one counts
	}
	if err != nil {
		return s.failed(p, err)
	}
	if err := writePair(s.file, got); err != nil {
		return pair{}, 0, fmt.Errorf("writing the new pair: %w", err) // asked for again, it comes again
	}
	if !got.good(s.now()) { // of so short a life that it ended on the way
		got.Failures = p.Failures
		return s.failed(got, &failure{err: fmt.Errorf("%s gave a token that has ended already: compare the clocks", s.endpoint.url)})
	}
	return s.hold(got), 0, nil
}

// failed notes a failure in the file, for all who share it: when to ask again, if ever.
func (s *Source) failed(p pair, cause error) (pair, time.Duration, error) {
	f := new(failure)
	errors.As(cause, &f)
	p.Failures++
	wait := max(backoff(p.Failures), min(f.retryAfter, maxRetry))
	err := fmt.Errorf("%w: %w", ErrUnavailable, cause)
	if p.Ended = f.kind == ended; p.Ended {
		wait, err = maxRetry, s.endpoint.refusal()
	}
	p.RetryAt = s.now().Add(wait)
	if err := writePair(s.file, p); err != nil {
		return pair{}, 0, fmt.Errorf("noting a failed attempt: %w", err)
	}
	switch {
	case f.kind == mistaken:
		return pair{}, 0, cause
	case p.Ended || p.good(s.now()):
		return pair{}, 0, err
	}
	return pair{}, wait, err
}

// backoff doubles from a quarter of a second to a minute, each time up to half as much again by chance.
func backoff(failures int) time.Duration {
	d := min(firstBackoff<<min(failures-1, 10), maxBackoff)
	return d + mathrand.N(d/2)
}
