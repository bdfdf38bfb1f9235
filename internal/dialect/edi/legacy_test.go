package edi

import (
	"context"
	"crypto"
	"crypto/md5"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"symbolon/internal/config"
	"symbolon/internal/secret"
)

func newEDI() config.EDI { return *config.NewService("ecology", "edi", "/auth").EDI }

func fixedLegacy(key *rsa.PrivateKey) func(context.Context) (*rsa.PrivateKey, error) {
	return func(context.Context) (*rsa.PrivateKey, error) { return key, nil }
}

// TestLegacyByHand checks a token the way its readers do, with nothing of ours.
func TestLegacyByHand(t *testing.T) {
	key := legacyKey(t)
	l := newLegacyTokens(fixedLegacy(key), 8*time.Hour)
	minted, err := l.mint(t.Context(), legacyToken{ldapUID, time.UnixMilli(1558090703946), []string{"authenticated"}})
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(minted.Reveal(), "-")
	if len(parts) != 2 {
		t.Fatalf("%d parts", len(parts))
	}
	text, err := base64.StdEncoding.DecodeString(parts[0])
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("uid=EDI,o=EDI,dc=edirepository,dc=org*https://pasta.edirepository.org/authentication*1558090703946*authenticated", string(text)); diff != "" {
		t.Error(diff)
	}
	signature, err := base64.StdEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	digest := md5.Sum([]byte(parts[0]))
	if err := rsa.VerifyPKCS1v15(&key.PublicKey, crypto.MD5, digest[:], signature); err != nil {
		t.Error(err)
	}
}

func TestLegacyEnd(t *testing.T) {
	l := newLegacyTokens(nil, 8*time.Hour)
	at := func(text string) time.Time {
		if text == "" {
			return time.Time{}
		}
		when, err := time.Parse("15:04:05.000", text)
		if err != nil {
			t.Fatal(err)
		}
		return when
	}
	for _, tc := range []struct {
		name, now, limit, cut, want string
		heard                       time.Duration
	}{
		{"rounded up", "03:04:05.000", "", "", "11:05:00.000", 0},
		{"already a minute", "03:04:00.000", "", "", "11:04:00.000", 0},
		{"limited", "03:04:05.000", "04:00:30.000", "", "04:01:00.000", 0},
		{"limit far off", "03:04:05.000", "12:00:00.000", "", "11:05:00.000", 0},
		{"cut in the same minute", "03:04:05.000", "", "03:04:01.000", "11:06:00.000", 0},
		{"cut in the same second", "03:04:00.000", "", "03:04:00.900", "11:06:00.000", 0},
		{"cut in the minute before", "03:04:05.000", "", "03:03:59.000", "11:05:00.000", 0},
		{"cut leaves nothing before the limit", "03:04:05.000", "04:00:00.000", "03:03:00.000", "", 0},
		{"cut in the minute before, heard of in this one", "03:04:05.000", "", "03:03:55.000", "11:06:00.000", 11 * time.Second},
		{"cut a moment ago, heard of in the next minute", "03:04:55.000", "", "03:04:54.000", "11:07:00.000", 11 * time.Second},
		{"heard of before", "03:05:05.000", "", "03:04:50.000", "11:06:00.000", 5 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			end := l.end(at(tc.now), at(tc.limit), at(tc.cut), at(tc.cut).Add(tc.heard))
			if tc.want == "" && end.IsZero() {
				return
			}
			if got := end.Format("15:04:05.000"); got != tc.want {
				t.Errorf("end %s, want %s", got, tc.want)
			}
			if l.cutOff(end, at(tc.cut), at(tc.cut).Add(tc.heard)) {
				t.Error("refused at once")
			}
		})
	}
}

func TestLegacyExactEnd(t *testing.T) {
	l := newLegacyTokens(nil, 8*time.Hour)
	for _, born := range []time.Time{start, start.Add(55*time.Second - time.Millisecond), start.Add(123 * time.Millisecond)} {
		end := l.exactEnd(born, time.Time{})
		if l.cutOff(end, born, born.Add(time.Minute)) {
			t.Errorf("%v: refused after a cut-off before it", born)
		}
		if cut := born.Add(2 * time.Millisecond); !l.cutOff(end, cut, cut.Add(time.Minute)) {
			t.Errorf("%v: not refused after a cut-off behind it", born)
		}
	}
	if got := l.exactEnd(start, start.Add(time.Second)); !got.Equal(roundUp(start)) {
		t.Errorf("limited: %v", got)
	}
}

func TestLegacyWaitsForASlot(t *testing.T) {
	l := newLegacyTokens(fixedLegacy(legacyKey(t)), time.Hour)
	who := legacyToken{uid: "x", ends: start}
	if _, err := l.mint(t.Context(), who); err != nil {
		t.Fatal(err)
	}
	for range cap(l.slots) {
		l.slots <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.mint(ctx, who); err != nil {
		t.Errorf("a text signed before: %v", err)
	}
	who.uid = "y"
	if _, err := l.mint(ctx, who); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestSignedTextsAreBounded(t *testing.T) {
	var s signedTexts
	for i := range 3 * halfOfSigned {
		s.put(signedText{nil, fmt.Sprint(i)}, secretText(i))
	}
	if n := len(s.young) + len(s.old); n > 2*halfOfSigned {
		t.Errorf("%d texts", n)
	}
	last := 3*halfOfSigned - 1
	if got, ok := s.get(signedText{nil, fmt.Sprint(last)}); !ok || got.Reveal() != fmt.Sprint(last) {
		t.Error("the last text is not there")
	}
	if _, ok := s.get(signedText{nil, "0"}); ok {
		t.Error("the first text is still there")
	}
	if _, ok := s.get(signedText{&rsa.PrivateKey{PublicKey: rsa.PublicKey{N: big.NewInt(1)}}, fmt.Sprint(last)}); ok {
		t.Error("found under another key")
	}
}

func TestParseLegacy(t *testing.T) {
	for _, text := range []string{
		"", "uid", "uid*" + legacySystem, "*" + legacySystem + "*1", "uid*https://example.org*1", "uid*" + legacySystem + "*-1",
		"uid*" + legacySystem + "*1.5", "uid*" + legacySystem + "*", "uid*" + legacySystem + "*99999999999999999999",
	} {
		if _, err := parseLegacy(text); err != badLegacyText {
			t.Errorf("%q: error %v", text, err)
		}
	}
	got, err := parseLegacy("uid*" + legacySystem + "*1558090703946*vetted*authenticated")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(legacyToken{"uid", time.UnixMilli(1558090703946), []string{"vetted", "authenticated"}}, got, cmp.AllowUnexported(legacyToken{})); diff != "" {
		t.Error(diff)
	}
}

func TestCertificate(t *testing.T) {
	key := legacyKey(t)
	text, err := Certificate(key)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "legacy.crt", string(text))
	block, _ := pem.Decode(text)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if !key.PublicKey.Equal(cert.PublicKey) {
		t.Error("another key")
	}
}

func FuzzLegacy(f *testing.F) {
	key := legacyKey(f)
	l := newLegacyTokens(fixedLegacy(key), time.Hour)
	good, err := l.mint(context.Background(), legacyToken{ldapUID, start, []string{"vetted", "authenticated"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good.Reveal())
	f.Add("a-b")
	f.Add("uid*" + legacySystem + "*1*vetted")
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := l.open(t.Context(), text); err == nil && text != good.Reveal() {
			t.Errorf("a second spelling: %q", text)
		}
		if got, err := parseLegacy(text); err == nil {
			if again, err := parseLegacy(got.text()); err != nil || !again.ends.Equal(got.ends) || again.uid != got.uid {
				t.Errorf("%q became %q: %v", text, got.text(), err)
			}
		}
	})
}

func secretText(i int) secret.Text { return secret.New(fmt.Sprint(i)) }
