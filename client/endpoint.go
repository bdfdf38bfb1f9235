package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// maxAnswer bounds what is read of any answer to a refresh; maxToken is the longest token that a server makes.
const (
	maxAnswer = 1 << 20
	maxToken  = 16 << 10
)

// Endpoint is one call by which a server gives fresh tokens, with what it must be sent. It is made by SESARRefresh,
// EDIRefresh, EDIKeyExchange or OAuth2Refresh; the zero value is refused by NewSource.
type Endpoint struct {
	url      string
	keyed    bool // an API key is what is presented, and no pair needed
	byAccess bool // the access token is what is presented
	request  func(pair) (contentType string, body []byte)
	decode   func(answer []byte, old pair) (pair, error)
	ended    func(status int, body []byte) bool // whether the answer means that what was presented is good for nothing
	sign     func(*http.Request)                // adds the client's own credential; nil for none
}

// SESARRefresh is SESAR's `POST …/refresh_token.php`, where each refresh token is good for one refresh. The address is
// the call's own, such as https://tokens.example.org/webservices/refresh_token.php.
func SESARRefresh(address string) Endpoint {
	return Endpoint{url: address, ended: unauthorized,
		request: func(p pair) (string, []byte) { return asJSON(map[string]any{"refresh": p.Refresh}) },
		decode: func(body []byte, _ pair) (pair, error) {
			var a struct{ Access, Refresh string }
			err := json.Unmarshal(body, &a)
			return pair{Access: a.Access, Refresh: a.Refresh}, errors.Join(err, plausible(a.Access, a.Refresh))
		}}
}

// EDIRefresh is EDI's `POST …/v1/token/refresh`: the edi-token and, where the file has one, the pasta-token are renewed
// together. The pasta-token is Extra("pasta-token") of the oauth2.Token. After the session's absolute end (30 days)
// the server refuses, and a new sign-in is needed.
func EDIRefresh(address string) Endpoint {
	return Endpoint{url: address, ended: unauthorized, decode: decodeEDI, byAccess: true,
		request: func(p pair) (string, []byte) {
			return asJSON(map[string]any{"edi-token": p.Access, "pasta-token": orNull(p.Pasta)})
		}}
}

// EDIKeyExchange is EDI's `POST …/v1/key`: both tokens for an API key, as often as needed, so that no human is. The
// file then holds what several processes share, and need not exist at first.
func EDIKeyExchange(address, key string) Endpoint {
	return Endpoint{url: address, ended: unauthorized, decode: decodeEDI, keyed: true,
		request: func(pair) (string, []byte) { return asJSON(map[string]any{"key": key}) }}
}

// OAuth2Refresh is the refresh of RFC 6749 §6. A client without a secret names itself in the form, one with a secret by
// HTTP Basic (§2.3.1). A server that returns no refresh token leaves the old one in force.
func OAuth2Refresh(address, clientID, clientSecret string) Endpoint {
	e := Endpoint{url: address, decode: decodeOAuth2, ended: invalidGrant,
		request: func(p pair) (string, []byte) {
			form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {p.Refresh}}
			if clientSecret == "" {
				form.Set("client_id", clientID)
			}
			return "application/x-www-form-urlencoded", []byte(form.Encode())
		}}
	if clientSecret != "" {
		e.sign = func(r *http.Request) { r.SetBasicAuth(url.QueryEscape(clientID), url.QueryEscape(clientSecret)) }
	}
	return e
}

// missing names the token that the call needs and p lacks.
func (e Endpoint) missing(p pair) string {
	switch {
	case e.keyed:
		return ""
	case e.byAccess && p.Access == "":
		return "edi-token"
	case !e.byAccess && p.Refresh == "":
		return "refresh token"
	}
	return ""
}

// refusal says what a human has to do once the server has refused for good.
func (e Endpoint) refusal() error {
	if e.keyed {
		return fmt.Errorf("%w: %s does not take this API key: it was deleted or has expired, or its account is disabled; make another key", ErrNewPair, e.url)
	}
	return fmt.Errorf("%w: %s does not take these tokens any more: they have expired, were revoked, or were refreshed "+
		"elsewhere; write a new pair to the file", ErrNewPair, e.url)
}

func asJSON(v map[string]any) (string, []byte) {
	body, err := json.Marshal(v)
	if err != nil {
		panic("client: a map of strings does not encode as JSON")
	}
	return "application/json", body
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func unauthorized(status int, _ []byte) bool { return status == http.StatusUnauthorized }

// invalidGrant is how a token endpoint says that a refresh token has ended (RFC 6749 §5.2).
func invalidGrant(status int, body []byte) bool {
	var a struct{ Error string }
	return status == http.StatusBadRequest && json.Unmarshal(body, &a) == nil && a.Error == "invalid_grant"
}

func decodeEDI(body []byte, _ pair) (pair, error) {
	var a struct {
		EDI   string `json:"edi-token"`
		Pasta string `json:"pasta-token"`
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return pair{}, err
	}
	if a.Pasta != "" {
		return pair{Access: a.EDI, Pasta: a.Pasta}, plausible(a.EDI, a.Pasta)
	}
	return pair{Access: a.EDI}, plausible(a.EDI)
}

func decodeOAuth2(body []byte, old pair) (pair, error) {
	var a struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
		Expires int64  `json:"expires_in"`
	}
	if err := json.Unmarshal(body, &a); err != nil {
		return pair{}, err
	}
	p := pair{Access: a.Access, Refresh: a.Refresh, lifetime: time.Duration(min(max(a.Expires, 0), 1<<32)) * time.Second}
	if p.Refresh == "" {
		p.Refresh = old.Refresh
	}
	return p, plausible(p.Access, p.Refresh)
}

// plausible refuses what cannot be a token. The error does not quote it.
func plausible(tokens ...string) error {
	for _, t := range tokens {
		bad := func(r rune) bool { return r <= ' ' || r > '~' }
		if t == "" || len(t) > maxToken || strings.ContainsFunc(t, bad) {
			return errors.New("the answer holds no token where one belongs")
		}
	}
	return nil
}

// failure is an answer that brought no tokens. It never holds any of the answer's text, in which a server might
// repeat what it was sent.
type failure struct {
	kind       failureKind
	retryAfter time.Duration // what the server asks for; 0 when it says nothing
	err        error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

type failureKind int

const (
	passing  failureKind = iota // asking again later may help
	ended                       // what was presented is good for nothing any more
	mistaken                    // the address or the client's own credential is wrong
)

func (e Endpoint) kind(status int, body []byte) failureKind {
	switch {
	case e.ended(status, body):
		return ended
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly, status == http.StatusTooManyRequests, status >= 500:
		return passing
	}
	return mistaken
}

// call makes the request once. Every error is a *failure. An answer whose tokens' own times show that the clock here
// is wrong is corrected by its Date.
func (e Endpoint) call(ctx context.Context, client *http.Client, p pair, now func() time.Time) (pair, error) {
	contentType, body := e.request(p)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(body))
	if err != nil {
		return pair{}, &failure{kind: mistaken, err: err}
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Idempotency-Key", p.Attempt)
	if e.sign != nil {
		e.sign(req)
	}
	resp, err := client.Do(req)
	if err != nil {
		return pair{}, &failure{err: err} // names the address and the cause, nothing that was sent
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return pair{}, &failure{err: fmt.Errorf("reading the answer of %s: %w", e.url, err)}
	}
	if resp.StatusCode != http.StatusOK {
		return pair{}, &failure{kind: e.kind(resp.StatusCode, text), retryAfter: retryAfter(resp.Header, now()),
			err: fmt.Errorf("%s answered %d", e.url, resp.StatusCode)}
	}
	got, err := e.decode(text, p)
	if err != nil {
		return pair{}, &failure{err: fmt.Errorf("reading the answer of %s: it is not what this call answers", e.url)}
	}
	return got.received(now(), clockError(resp.Header, now())), nil
}

// retryAfter reads both forms of RFC 9110 §10.2.3.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// clockError is how far the server's clock is ahead of ours, so that a wrong clock here neither keeps a dead token nor
// throws away a good one. Differences that the header's whole seconds could explain are none.
func clockError(h http.Header, now time.Time) time.Duration {
	date, err := http.ParseTime(h.Get("Date"))
	if d := date.Sub(now); err == nil && d.Abs() > 2*time.Second {
		return d
	}
	return 0
}
