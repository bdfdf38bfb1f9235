package edi

import (
	"context"
	"crypto"
	"crypto/md5"
	"crypto/rsa"
	"encoding/base64"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"symbolon/internal/secret"
)

const (
	publicUID    = "public"
	legacySystem = "https://pasta.edirepository.org/authentication"
	maxLegacy    = 16 << 10 // bytes of a whole token
)

// legacyToken is what a pasta-token says: text = uid*system*ttl[*group…], where the ttl
// is its end in milliseconds (contract: legacy layout).
type legacyToken struct {
	uid    string
	ends   time.Time
	groups []string
}

// usable reports whether the uid can stand in a legacy token at all.
func (t legacyToken) usable() bool { return t.uid != "" && !strings.Contains(t.uid, "*") }

func (t legacyToken) text() string {
	fields := append([]string{t.uid, legacySystem, strconv.FormatInt(t.ends.UnixMilli(), 10)}, t.groups...)
	return strings.Join(fields, "*")
}

// parseLegacy reads a text whose signature has been checked.
func parseLegacy(text string) (legacyToken, error) {
	fields := strings.Split(text, "*")
	if len(fields) < 3 {
		return legacyToken{}, badLegacyText
	}
	ttl, err := strconv.ParseUint(fields[2], 10, 53)
	t := legacyToken{uid: fields[0], ends: time.UnixMilli(int64(ttl)), groups: fields[3:]}
	if err != nil || fields[1] != legacySystem || !t.usable() {
		return legacyToken{}, badLegacyText
	}
	return t, nil
}

// legacyTokens mints and opens them. The signature is RSA PKCS #1 v1.5 over the MD5 of
// the base64 text, because that is what its readers check; the token grants nothing here.
type legacyTokens struct {
	key      func(context.Context) (*rsa.PrivateKey, error)
	lifetime time.Duration
	slots    chan struct{} // never more signatures at once than cores
	signed   signedTexts
}

func newLegacyTokens(key func(context.Context) (*rsa.PrivateKey, error), lifetime time.Duration) *legacyTokens {
	return &legacyTokens{key: key, lifetime: lifetime, slots: make(chan struct{}, runtime.GOMAXPROCS(0))}
}

// roundUp gives the next whole minute, so that tokens minted within one are the same.
func roundUp(t time.Time) time.Time {
	minute := t.Truncate(time.Minute)
	if minute.Before(t) {
		return minute.Add(time.Minute)
	}
	return minute
}

// end is the end of a token minted at now: one lifetime, or limit if that comes first,
// rounded up; but always past what a cut-off refuses. It is zero where the limit comes
// before that: then there can be no token. Zero arguments mean none.
func (l *legacyTokens) end(now, limit, at, heard time.Time) time.Time {
	end := now.Add(l.lifetime)
	if !limit.IsZero() && limit.Before(end) {
		end = limit
	}
	end = roundUp(end)
	if !l.cutOff(end, at, heard) {
		return end
	}
	end = roundUp(heard.Add(l.lifetime)).Add(time.Minute)
	if !limit.IsZero() && end.After(roundUp(limit)) {
		return time.Time{}
	}
	return end
}

// exactEnd is end without rounding, so that a token minted at born is told from one
// minted before a cut-off in the same minute. It never falls on a whole minute.
func (l *legacyTokens) exactEnd(born, limit time.Time) time.Time {
	end := born.Add(l.lifetime + time.Millisecond)
	if end.Equal(roundUp(end)) {
		end = end.Add(time.Millisecond)
	}
	if !limit.IsZero() && limit.Before(end) {
		return roundUp(limit)
	}
	return end
}

// cutOff reports whether a token with that end may have been minted before the cut-off, or by a server that had not heard of
// it. An exact end is of a token that was minted from the store itself.
func (l *legacyTokens) cutOff(end, at, heard time.Time) bool {
	first := at.Add(l.lifetime)
	if end.Equal(roundUp(end)) {
		first = roundUp(heard.Add(l.lifetime))
	}
	return !at.IsZero() && !end.After(first)
}

// mint returns the token, from memory when the same text was signed lately.
func (l *legacyTokens) mint(ctx context.Context, t legacyToken) (secret.Text, error) {
	key, err := l.key(ctx)
	if err != nil {
		return secret.Text{}, fmt.Errorf("waiting for the legacy key: %w", err)
	}
	entry := signedText{key, t.text()}
	if text, ok := l.signed.get(entry); ok {
		return text, nil
	}
	select {
	case l.slots <- struct{}{}:
		defer func() { <-l.slots }()
	case <-ctx.Done():
		return secret.Text{}, fmt.Errorf("waiting to sign a legacy token: %w", ctx.Err())
	}
	b64 := base64.StdEncoding.EncodeToString([]byte(entry.text))
	digest := md5.Sum([]byte(b64))
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.MD5, digest[:])
	if err != nil {
		return secret.Text{}, fmt.Errorf("signing a legacy token: %w", err)
	}
	text := secret.New(b64 + "-" + base64.StdEncoding.EncodeToString(signature))
	l.signed.put(entry, text)
	return text, nil
}

// open checks form and signature, and never the end: an expired token is renewed beside
// a good edi-token. A fault of the token is a reason.
func (l *legacyTokens) open(ctx context.Context, token string) (legacyToken, error) {
	b64, sig, err := splitLegacy(token)
	if err != nil {
		return legacyToken{}, err
	}
	signature, err := strictBase64(sig)
	if err != nil {
		return legacyToken{}, err
	}
	key, err := l.key(ctx)
	if err != nil {
		return legacyToken{}, fmt.Errorf("waiting for the legacy key: %w", err)
	}
	digest := md5.Sum([]byte(b64))
	if rsa.VerifyPKCS1v15(&key.PublicKey, crypto.MD5, digest[:], signature) != nil {
		return legacyToken{}, badLegacySignature
	}
	text, err := strictBase64(b64)
	if err != nil {
		return legacyToken{}, err
	}
	return parseLegacy(string(text))
}

func splitLegacy(token string) (text, signature string, err error) {
	switch strings.Count(token, "-") {
	case 0:
		return "", "", fewLegacyParts
	case 1:
	default:
		return "", "", manyLegacyParts
	}
	if len(token) > maxLegacy {
		return "", "", badLegacySignature
	}
	text, signature, _ = strings.Cut(token, "-")
	return text, signature, nil
}

// strictBase64 takes one spelling only; its faults are worded as the old server's.
func strictBase64(s string) ([]byte, error) {
	if !strings.ContainsAny(s, "\r\n") {
		if b, err := base64.StdEncoding.Strict().DecodeString(s); err == nil {
			return b, nil
		}
	}
	digits := 0
	for _, c := range s {
		if c < 0x80 && strings.ContainsRune(base64Alphabet, c) {
			digits++
		}
	}
	if digits%4 == 1 {
		return nil, reason(fmt.Sprintf("Invalid base64-encoded string: number of data characters (%d) cannot be 1 more than a multiple of 4", digits))
	}
	return nil, badPadding
}

const base64Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

// signedTexts remembers the last signatures: between 2048 and 4096 of them, the older
// half dropped at once.
type signedTexts struct {
	mu         sync.Mutex
	young, old map[signedText]secret.Text
}

type signedText struct {
	key  *rsa.PrivateKey
	text string
}

const halfOfSigned = 2048

func (s *signedTexts) get(k signedText) (secret.Text, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t, ok := s.young[k]; ok {
		return t, true
	}
	t, ok := s.old[k]
	return t, ok
}

func (s *signedTexts) put(k signedText, t secret.Text) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.young == nil || len(s.young) == halfOfSigned {
		s.young, s.old = map[signedText]secret.Text{}, s.young
	}
	s.young[k] = t
}
