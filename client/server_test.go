package client

import (
	"bytes"
	"compress/zlib"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	base   = "https://tokens.example.org"
	jwksAt = base + "/symbolon/keys/samples/jwks.json"
	listAt = base + "/symbolon/status/0"
)

var b64 = base64.RawURLEncoding.EncodeToString

// signer is a key of the fake server.
type signer struct {
	kid string
	key *ecdsa.PrivateKey
}

func newSigner(t testing.TB, kid string) signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signer{kid, key}
}

// signature is r and s, s the lower one.
func (s signer) signature(input string) []byte {
	sum := sha256.Sum256([]byte(input))
	r, ess, err := ecdsa.Sign(rand.Reader, s.key, sum[:])
	if err != nil {
		panic(err)
	}
	if ess.Cmp(halfOrder) > 0 {
		ess.Sub(elliptic.P256().Params().N, ess)
	}
	return append(r.FillBytes(make([]byte, 32)), ess.FillBytes(make([]byte, 32))...)
}

// raw signs exactly these texts.
func (s signer) raw(header, payload string) string {
	input := b64([]byte(header)) + "." + b64([]byte(payload))
	return input + "." + b64(s.signature(input))
}

type claims map[string]any

func (s signer) sign(typ string, c claims) string {
	payload, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	return s.raw(fmt.Sprintf(`{"alg":"ES256","typ":%q,"kid":%q}`, typ, s.kid), string(payload))
}

func (s signer) jwk() claims {
	point, err := s.key.PublicKey.Bytes()
	if err != nil {
		panic(err)
	}
	return claims{"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": s.kid, "x": b64(point[1:33]), "y": b64(point[33:])}
}

// access are the claims of a good access token of SESAR, with changes; nil takes a claim away.
func access(changes claims) claims {
	now := time.Now().Unix()
	c := claims{"token_type": "access", "exp": now + 3600, "iat": now, "jti": "00", "user_id": 2, "gid": 7, "iss": base, "aud": "samples",
		"status": claims{"status_list": claims{"idx": 70, "uri": listAt}}}
	for name, v := range changes {
		if c[name] = v; v == nil {
			delete(c, name)
		}
	}
	return c
}

// fake is a server in memory.
type fake struct {
	t        testing.TB
	mu       sync.Mutex
	keys     []signer // published
	lister   signer   // signs the lists
	ttl      int64
	ended    map[int64]bool // places in the one list
	before   map[string]int64
	feed     position
	down     bool
	requests map[string]int                                 // :: address → how often
	asked    []*http.Request                                // all of them
	alter    map[string]func(*http.Response) *http.Response // :: address → what becomes of the answer
	list     func(claims) string                            // signs a list's claims in another way
	streams  []*io.PipeWriter                               // open event streams
	stream   func(*http.Request, *io.PipeWriter)            // writes a new one
}

func newFake(t testing.TB) *fake {
	s := newSigner(t, "one")
	return &fake{t: t, keys: []signer{s}, lister: s, ttl: 60, ended: map[int64]bool{}, before: map[string]int64{},
		feed: position{1, 100}, requests: map[string]int{}, alter: map[string]func(*http.Response) *http.Response{}}
}

func pack(bits []byte) string {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	_, _ = w.Write(bits)
	_ = w.Close()
	return b64(b.Bytes())
}

// listClaims are those of the list as it is now.
func (f *fake) listClaims() claims {
	bits := make([]byte, 1<<14)
	for i := range f.ended {
		bits[i/8] |= 1 << (i % 8)
	}
	now := time.Now().Unix()
	return claims{"iss": base, "sub": listAt, "iat": now, "exp": now + f.ttl, "ttl": f.ttl,
		"status_list": claims{"bits": 1, "lst": pack(bits)}, "not_before": f.before, "feed": f.feed.String()}
}

func (f *fake) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	address := r.URL.String()
	f.requests[address]++
	f.asked = append(f.asked, r)
	if f.down {
		return nil, errors.New("no route to host")
	}
	var resp *http.Response
	switch {
	case address == jwksAt:
		set := []claims{}
		for _, s := range f.keys {
			set = append(set, s.jwk())
		}
		text, err := json.Marshal(claims{"keys": set})
		if err != nil {
			f.t.Error(err)
		}
		resp = answerOf(r, jwksType, string(text), "300")
	case address == listAt && f.list != nil:
		resp = answerOf(r, listType, f.list(f.listClaims()), "15")
	case address == listAt:
		resp = answerOf(r, listType, f.lister.sign(typeOfLists, f.listClaims()), strconv.FormatInt(f.ttl/4, 10))
	case address == base+"/symbolon/events" && f.stream != nil:
		in, out := io.Pipe()
		f.streams = append(f.streams, out)
		go f.stream(r, out)
		resp = answerOf(r, "text/event-stream", "", "0")
		resp.Body = in
		go func() {
			<-r.Context().Done()
			in.CloseWithError(r.Context().Err())
		}()
	default:
		resp = reply(404, "")
	}
	if alter := f.alter[address]; alter != nil {
		resp = alter(resp)
	}
	return resp, nil
}

func answerOf(r *http.Request, mediaType, text, age string) *http.Response {
	sum := sha256.Sum256([]byte(text))
	tag := `"` + b64(sum[:]) + `"`
	resp := reply(200, text)
	if r.Header.Get("If-None-Match") == tag {
		resp = reply(304, "")
	}
	resp.Header.Set("Etag", tag)
	resp.Header.Set("Content-Type", mediaType)
	resp.Header.Set("Cache-Control", "public, max-age="+age)
	return resp
}

// do changes the server while it answers others.
func (f *fake) do(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *fake) count(address string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.requests[address]
}

// all are the requests so far.
func (f *fake) all() []*http.Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.asked)
}

// open are the event streams so far.
func (f *fake) open() []*io.PipeWriter {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.streams)
}

func (f *fake) access(changes claims) string { return f.keys[0].sign("JWT", access(changes)) }

// revoke ends the place and tells it in the lists to come.
func (f *fake) revoke(idx int64) {
	f.do(func() { f.ended[idx] = true; f.feed.seq++ })
}

// send writes to all open streams, line by line.
func (f *fake) send(lines ...string) {
	for _, w := range f.open() {
		_, _ = io.WriteString(w, strings.Join(lines, "\n")+"\n\n")
	}
}

// newVerifier makes one for the service samples, and closes it at the end of the bubble.
func newVerifier(t testing.TB, f http.RoundTripper, change func(*VerifierConfig)) *Verifier {
	t.Helper()
	c := VerifierConfig{Server: base, Service: "samples", Dialect: SESAR, HTTPClient: &http.Client{Transport: f, Timeout: 10 * time.Second}}
	if change != nil {
		change(&c)
	}
	v, err := NewVerifier(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	})
	return v
}

func want(t testing.TB, v *Verifier, token string, want error, what ...string) {
	t.Helper()
	c, err := v.Verify(t.Context(), token)
	if !errors.Is(err, want) || (want == nil) != (c != nil) {
		t.Errorf("%v %v, %v; want %v", what, c, err, want)
	}
	if err != nil && len(token) > 20 && strings.Contains(err.Error(), token[len(token)-20:]) {
		t.Errorf("%v holds the token", err)
	}
}

// twin is the other spelling of an ES256 signature.
func twin(token string) string {
	at := strings.LastIndexByte(token, '.') + 1
	sig, err := strict64.DecodeString(token[at:])
	if err != nil {
		panic(err)
	}
	s := new(big.Int).SetBytes(sig[32:])
	s.Sub(elliptic.P256().Params().N, s)
	return token[:at] + b64(append(sig[:32:32], s.FillBytes(make([]byte, 32))...))
}
