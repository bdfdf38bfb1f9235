package statuslist

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"symbolon/internal/jws"
	"symbolon/internal/token"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 300_000_000, time.UTC)

// source is ten lists that a test writes.
type source struct {
	list  token.StatusList
	stale error
	asked int
}

func (*source) HasStatusList(_ context.Context, n int64) (bool, error) { return n < 10, nil }
func (s *source) Fresh() error                                         { return s.stale }
func (*source) StatusURI(n int64) string                               { return fmt.Sprint("https://t.example/", n) }

func (s *source) StatusList(int64) (token.StatusList, error) {
	s.asked++
	l := s.list
	l.Bits = bytes.Clone(l.Bits)
	return l, s.stale
}

type fixture struct {
	*testing.T
	*Publisher[string]
	source *source
	key    *jws.ES256
	kid    string
	now    time.Time
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := jws.NewES256(private)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{T: t, key: key, kid: "one", now: noon, source: &source{list: token.StatusList{
		Bits: make([]byte, 1<<14), At: noon, Feed: token.Position{Epoch: 1, Seq: 42},
		NotBefore: map[string]time.Time{"": time.Unix(100, 0), "samples": time.Unix(200, 0)}}}}
	f.Publisher = &Publisher[string]{Source: f.source, TTL: time.Minute, Issuer: "https://t.example",
		Publish: func(text []byte, _ time.Duration) string { return string(text) },
		Signer:  func() (jws.Signer, string, error) { return f.key, f.kid, nil }}
	return f
}

// get passes the time, makes it the time of the last news too, and asks for a list.
func (f *fixture) get(n int64, passed time.Duration) string {
	f.Helper()
	f.now = f.now.Add(passed)
	f.source.list.At = f.now
	text, err := f.List(f.Context(), n, f.now)
	if err != nil {
		f.Fatal(err)
	}
	return text
}

// read checks the signature and returns header and claims as anybody would read them.
func (f *fixture) read(text string) (header, claims map[string]any, bits []byte) {
	f.Helper()
	parts := strings.Split(text, ".")
	raw := func(s string) []byte {
		b, err := base64.RawURLEncoding.DecodeString(s)
		if err != nil {
			f.Fatal(err)
		}
		return b
	}
	if err := f.key.Check([]byte(parts[0]+"."+parts[1]), raw(parts[2])); err != nil {
		f.Fatal(err)
	}
	if err := errors.Join(json.Unmarshal(raw(parts[0]), &header), json.Unmarshal(raw(parts[1]), &claims)); err != nil {
		f.Fatal(err)
	}
	z, err := zlib.NewReader(bytes.NewReader(raw(claims["status_list"].(map[string]any)["lst"].(string))))
	if err != nil {
		f.Fatal(err)
	}
	if bits, err = io.ReadAll(z); err != nil {
		f.Fatal(err)
	}
	return header, claims, bits
}

func TestList(t *testing.T) {
	f := newFixture(t)
	rand.Read(f.source.list.Bits) // the longest that a list can be
	text := f.get(3, 0)
	header, claims, bits := f.read(text)
	if diff := cmp.Diff(map[string]any{"alg": "ES256", "kid": "one", "typ": "statuslist+jwt"}, header); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}
	if !bytes.Equal(bits, f.source.list.Bits) {
		t.Error("the bits are others")
	}
	delete(claims["status_list"].(map[string]any), "lst")
	iat := float64(noon.Unix())
	want := map[string]any{"iss": "https://t.example", "sub": "https://t.example/3", "iat": iat, "exp": iat + 60, "ttl": 60.0,
		"status_list": map[string]any{"bits": 1.0}, "not_before": map[string]any{"": 100.0, "samples": 200.0}, "feed": "1:42"}
	if diff := cmp.Diff(want, claims); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
	if len(text) > 31<<10 {
		t.Errorf("%d bytes", len(text))
	}
}

// TestWhenAListIsMadeAnew: at most once a second, and only with a reason.
func TestWhenAListIsMadeAnew(t *testing.T) {
	f := newFixture(t)
	first := f.get(0, 0)
	f.source.list.Bits[7] = 1
	asked := f.source.asked
	if f.get(0, 999*time.Millisecond) != first || f.source.asked != asked {
		t.Error("another list within a second")
	}
	second := f.get(0, time.Millisecond)
	if _, _, bits := f.read(second); bits[7] != 1 {
		t.Error("a change is not in the list after a second")
	}
	if f.get(0, 14*time.Second) != second {
		t.Error("another list without a reason")
	}
	third := f.get(0, time.Second)
	if third == second {
		t.Error("the same list after a quarter of its life")
	}
	f.source.list.NotBefore = map[string]time.Time{"": time.Unix(300, 0)}
	if f.get(0, time.Second) == third {
		t.Error("a new not_before is not in the list")
	}
	fourth := f.get(0, 0)
	f.kid = "two"
	if header, _, _ := f.read(f.get(0, 0)); header["kid"] != "two" {
		t.Error("a list under a key that no longer signs")
	}
	f.kid = "one"
	if f.get(0, -time.Hour) == fourth {
		t.Error("the clock went back, and the list is still one of the future")
	}
}

func TestNoListWithoutNews(t *testing.T) {
	f := newFixture(t)
	f.get(0, 0)
	f.source.stale = errors.New("no news")
	if text, err := f.List(t.Context(), 0, f.now); !errors.Is(err, f.source.stale) || text != "" {
		t.Errorf("%q, %v; want the source's error", text, err)
	}
}

func TestListsThatAreNotThere(t *testing.T) {
	f := newFixture(t)
	if text := f.get(10, 0); text != "" || f.source.asked != 0 || len(f.kept) != 0 {
		t.Errorf("%q, asked %d times, %d kept", text, f.source.asked, len(f.kept))
	}
}

func TestFewAreKept(t *testing.T) {
	f := newFixture(t)
	for n := range int64(2 * maxKept) {
		f.get(n-2*maxKept, 0)
	}
	if len(f.kept) > maxKept {
		t.Errorf("%d lists are kept", len(f.kept))
	}
}
