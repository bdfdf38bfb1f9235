package keyring

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"symbolon/internal/jws"
)

// present is later than the beginning of every key: the one that signs now.
var present = birth.Add(1000 * time.Hour)

// mint signs a token with the service's present key; kid may be empty.
func mint(t *testing.T, k *Keys, service string, purpose Purpose, kid string) jws.Token {
	t.Helper()
	s, _, err := k.Signer(service, purpose, present)
	if err != nil {
		t.Fatal(err)
	}
	header := `{"alg":"` + s.Alg() + `","typ":"JWT"}`
	if kid != "" {
		header = `{"alg":"` + s.Alg() + `","kid":"` + kid + `"}`
	}
	text, err := jws.Sign([]byte(header), []byte(`{"a":1}`), s)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := jws.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func bornAt(at time.Time) func() (time.Time, bool) {
	return func() (time.Time, bool) { return at, true }
}

func neverAsked(t *testing.T) func() (time.Time, bool) {
	return func() (time.Time, bool) {
		t.Error("iat was asked for")
		return time.Time{}, false
	}
}

func TestOpenMakesAndReopens(t *testing.T) {
	store := newFake()
	first := mustOpen(t, store, birth, samplesAccess, samplesRefresh, ecologyAccess)
	access, refresh := mint(t, first, "samples", Access, ""), mint(t, first, "samples", Refresh, "")
	mac := first.MAC([]byte("label"), []byte("x"))

	second := mustOpen(t, store, birth.Add(time.Hour), samplesAccess, samplesRefresh, ecologyAccess)
	for want, token := range map[Purpose]jws.Token{Access: access, Refresh: refresh} {
		if got, err := second.Verify("samples", token, neverAsked(t)); got != want || err != nil {
			t.Errorf("%s: %s, %v", want, got, err)
		}
	}
	if second.MAC([]byte("label"), []byte("x")) != mac {
		t.Error("another MAC after reopening")
	}
	if diff := cmp.Diff(access, mint(t, second, "samples", Access, ""), cmp.AllowUnexported(jws.Token{})); diff != "" {
		t.Errorf("the same content is signed differently: %s", diff)
	}
	if diff := cmp.Diff(first.List(), second.List()); diff != "" {
		t.Error(diff)
	}
	var got []string
	for _, i := range second.List() {
		got = append(got, fmt.Sprintf("%d %s %s %s %s pinned=%v %d", i.ID, i.Service, i.Purpose, i.Alg, i.State, i.Pinned, len(i.KID)))
	}
	want := []string{
		"1  mac HMAC signing pinned=false 16", "2 samples access ES256 signing pinned=false 16",
		"3 samples refresh HS256 signing pinned=false 16", "4 ecology access ES256 signing pinned=false 16",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestServicesAndPurposesStayApart(t *testing.T) {
	k := mustOpen(t, newFake(), birth, samplesAccess, samplesRefresh, ecologyAccess, Want{Service: "hs", Purpose: Access, Alg: HS256})
	token := mint(t, k, "samples", Access, "")
	if _, err := k.Verify("ecology", token, bornAt(birth)); !errors.Is(err, jws.ErrSignature) {
		t.Errorf("other service: %v", err)
	}
	if _, err := k.Verify("hs", token, bornAt(birth)); !errors.Is(err, jws.ErrAlg) {
		t.Errorf("service without such an algorithm: %v", err)
	}
	if _, err := k.Verify("nowhere", token, bornAt(birth)); !errors.Is(err, jws.ErrAlg) {
		t.Errorf("unknown service: %v", err)
	}
	if _, _, err := k.Signer("ecology", Refresh, birth); !errors.Is(err, ErrNoKey) || err.Error() != `no such key: service "ecology" has no refresh key` {
		t.Errorf("no refresh key: %v", err)
	}
	if _, _, err := k.Signer("", MAC, birth); !errors.Is(err, ErrNoKey) {
		t.Errorf("the MAC key signs tokens: %v", err)
	}
}

func TestTwoStartersAgree(t *testing.T) {
	store := newFake()
	all := make([]*Keys, 8)
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() {
			k, err := Open(context.Background(), store, only(testMaster(t, 1)), []Want{samplesAccess, samplesRefresh}, at(birth))
			if err != nil {
				t.Error(err)
			}
			all[i] = k
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	token := mint(t, all[0], "samples", Refresh, "")
	for _, k := range all {
		if p, err := k.Verify("samples", token, bornAt(birth)); p != Refresh || err != nil {
			t.Errorf("%s, %v", p, err)
		}
		if k.MAC([]byte("x")) != all[0].MAC([]byte("x")) {
			t.Error("different MAC keys")
		}
	}
	if len(store.keys) != 3 {
		t.Errorf("%d keys", len(store.keys))
	}
}

func TestUnopenableKeyStopsTheStart(t *testing.T) {
	open := func(store Store, fill byte) error {
		_, err := Open(t.Context(), store, only(testMaster(t, fill)), []Want{samplesAccess, samplesRefresh}, at(birth))
		return err
	}
	const hint = "the key cannot be opened with this master key; give the master key that the data was made with, or restore the database that belongs to this one"
	for _, tc := range []struct {
		name   string
		fill   byte
		change func(*fakeStore)
		want   string
	}{
		{"wrong master", 2, func(*fakeStore) {}, `opening the refresh key of service "samples" (kid KID): ` + hint},
		{"other installation", 1, func(f *fakeStore) { f.name = "installation-2" }, `opening the refresh key of service "samples" (kid KID): ` + hint},
		{"swapped purposes", 1, func(f *fakeStore) {
			f.keys[1].Sealed, f.keys[2].Sealed = f.keys[2].Sealed, f.keys[1].Sealed
		}, `opening the refresh key of service "samples" (kid KID): ` + hint},
		{"moved to another service", 1, func(f *fakeStore) { f.keys[2].Service = "ecology" }, `opening the refresh key of service "ecology" (kid KID): ` + hint},
		{"foreign public key", 1, func(f *fakeStore) {
			f.edit("samples", Access, func(k *Key) { k.Public[len(k.Public)-1] ^= 1 })
		}, `opening the access key of service "samples" (kid KID): the stored public key is not this key's; the database has been changed, restore it from a backup`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			store := newFake()
			mustOpen(t, store, birth, samplesAccess, samplesRefresh)
			tc.change(store)
			kid := store.keys[2].KID
			if strings.Contains(tc.want, "access key") {
				kid = store.keys[1].KID
			}
			if err := open(store, tc.fill); err == nil || err.Error() != strings.ReplaceAll(tc.want, "KID", kid) {
				t.Errorf("got %v", err)
			}
		})
	}
	if _, err := Open(t.Context(), newFake(), only(Master{}), nil, at(birth)); !errors.Is(err, ErrNoMaster) {
		t.Errorf("zero master: %v", err)
	}
}

// pinnedAt opens the ring with the secret pinned, at a moment.
func pinnedAt(t *testing.T, store Store, now time.Time, secret string) *Keys {
	t.Helper()
	return mustOpen(t, store, now, Want{
		Service: "samples", Purpose: Access, Alg: HS256, Pinned: []byte(strings.Repeat(secret, 32)), Lifetime: 24 * time.Hour,
	})
}

func TestPinnedKeyReplacesThePinnedOne(t *testing.T) {
	store := newFake()
	old := mint(t, pinnedAt(t, store, birth, "a"), "samples", Access, "")
	pinnedAt(t, store, birth.Add(time.Hour), "a")
	if len(store.keys) != 2 {
		t.Fatalf("the same file made %d keys", len(store.keys))
	}
	k := pinnedAt(t, store, birth.Add(2*time.Hour), "b")
	if _, err := k.Verify("samples", old, bornAt(birth)); err != nil {
		t.Errorf("token of the replaced key: %v", err)
	}
	if _, err := k.Verify("samples", mint(t, k, "samples", Access, ""), bornAt(birth.Add(2*time.Hour))); err != nil {
		t.Errorf("token of the new key: %v", err)
	}
	was, is := store.keys[1], store.keys[2]
	if was.State != StateVerifying || !was.SignUntil.Equal(birth.Add(2*time.Hour)) || !was.VerifyUntil.Equal(birth.Add(26*time.Hour)) {
		t.Errorf("replaced key: %s until %v, %v", was.State, was.SignUntil, was.VerifyUntil)
	}
	if is.State != StateSigning || !is.Pinned || !is.SignFrom.IsZero() {
		t.Errorf("new key: %+v", is)
	}
	k = pinnedAt(t, store, birth.Add(26*time.Hour), "b")
	if _, err := k.Verify("samples", old, bornAt(birth)); !errors.Is(err, jws.ErrSignature) {
		t.Errorf("past its end the replaced key verifies: %v", err)
	}
	unpinned := mustOpen(t, store, birth.Add(27*time.Hour), Want{Service: "samples", Purpose: Access, Alg: HS256})
	if len(store.keys) != 3 || unpinned.List()[2].State != StateSigning {
		t.Error("a pinned key that is no longer in the configuration was replaced")
	}
}

func TestOtherAlgorithmReplaces(t *testing.T) {
	store := newFake()
	old := mint(t, mustOpen(t, store, birth, samplesAccess), "samples", Access, "")
	k := mustOpen(t, store, birth.Add(time.Hour), Want{Service: "samples", Purpose: Access, Alg: HS256})
	if s, _, err := k.Signer("samples", Access, birth); err != nil || s.Alg() != HS256 {
		t.Errorf("signer %v, %v", s, err)
	}
	if _, err := k.Verify("samples", old, bornAt(birth)); err != nil {
		t.Errorf("token of the old algorithm: %v", err)
	}
	store.keys[1].State, store.keys[1].Sealed = StateGone, nil // nobody opens it any more
	if err := k.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Verify("samples", old, bornAt(birth)); !errors.Is(err, jws.ErrAlg) {
		t.Errorf("key gone: %v", err)
	}
}

func TestSharedWithAStoredKey(t *testing.T) {
	store := newFake()
	secret := []byte(strings.Repeat("s", 32))
	a, b := Want{Service: "a", Purpose: Access, Alg: HS256}, Want{Service: "b", Purpose: Access, Alg: HS256, Pinned: secret}
	was := a
	was.Pinned = secret
	mustOpen(t, store, birth, was)
	_, err := Open(t.Context(), store, only(testMaster(t, 1)), []Want{a, b}, at(birth))
	if want := `services "a" (access) and "b" (access) have the same key; who holds it could sign for both: give each its own`; err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

// chain has five keys that follow one another, an hour each, and a token of each without a kid.
func chain(t *testing.T, pinned func(i int) bool) (*Keys, []jws.Token) {
	t.Helper()
	store := newFake()
	var tokens []jws.Token
	var k *Keys
	for i := range 5 {
		want := samplesAccess
		if pinned(i) {
			want.Pinned = sec1(t, newEC(t, elliptic.P256()))
		}
		if i > 0 {
			store.edit("samples", Access, func(k *Key) {
				k.State, k.SignUntil = StateVerifying, birth.Add(time.Duration(i)*time.Hour)
			})
		}
		k = mustOpen(t, store, birth.Add(time.Duration(i)*time.Hour), want)
		tokens = append(tokens, mint(t, k, "samples", Access, ""))
	}
	return k, tokens
}

func TestVerifyChoosesByBirth(t *testing.T) {
	k, tokens := chain(t, func(i int) bool { return i%2 == 1 })
	born := func(i int, by time.Duration) time.Time { return birth.Add(time.Duration(i)*time.Hour + by) }
	for _, tc := range []struct {
		name  string
		token int
		iat   time.Time
		want  error
	}{
		{"first, at its birth", 0, born(0, 0), nil},
		{"first, last second", 0, born(1, -time.Second), nil},
		{"first, by a slow clock", 0, born(0, -time.Minute), nil},
		{"second, in the middle", 1, born(1, 30*time.Minute), nil},
		{"second, by a fast clock", 1, born(2, time.Minute), nil},
		{"third", 2, born(2, time.Minute), nil},
		{"fifth", 4, born(4, time.Hour), nil},
		{"fifth, clock set back a day", 4, born(-20, 0), nil},
		{"first, with a birth of the fourth", 0, born(3, 30*time.Minute), jws.ErrSignature},
		{"fifth, with a birth of the first", 4, born(0, time.Minute), nil},
		{"second, long after", 1, born(2, 10*time.Minute), nil},
	} {
		if _, err := k.Verify("samples", tokens[tc.token], bornAt(tc.iat)); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	unborn := func() (time.Time, bool) { return time.Time{}, false }
	if _, err := k.Verify("samples", tokens[2], unborn); err != nil {
		t.Errorf("without iat, third newest: %v", err)
	}
	if _, err := k.Verify("samples", tokens[1], unborn); !errors.Is(err, jws.ErrSignature) {
		t.Errorf("without iat, a fourth try: %v", err)
	}
}

// TestVerifyTriesThreeAndThePresentOne has only keys whose beginning is open, so that all five may have signed an
// old token.
func TestVerifyTriesThreeAndThePresentOne(t *testing.T) {
	k, tokens := chain(t, func(int) bool { return true })
	for i, want := range []error{nil, nil, nil, jws.ErrSignature, nil} {
		if _, err := k.Verify("samples", tokens[i], bornAt(birth.Add(-time.Hour))); !errors.Is(err, want) {
			t.Errorf("key %d: %v", i, err)
		}
	}
}

func TestVerifyByKID(t *testing.T) {
	store := newFake()
	k := mustOpen(t, store, birth, samplesAccess, samplesRefresh)
	_, kid, err := k.Signer("samples", Access, birth)
	if err != nil {
		t.Fatal(err)
	}
	_, refreshKID, err := k.Signer("samples", Refresh, birth)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, kid string
		want      error
	}{
		{"ours", kid, nil},
		{"foreign", "17.1790000000", jws.ErrSignature},
		{"a path", "../../etc/passwd\x00", jws.ErrSignature},
		{"another key of ours", refreshKID, jws.ErrAlg},
	} {
		encoded, err := json.Marshal(tc.kid)
		if err != nil {
			t.Fatal(err)
		}
		token := mint(t, k, "samples", Access, string(encoded[1:len(encoded)-1]))
		if _, err := k.Verify("samples", token, bornAt(birth)); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

// Anyone can turn a signature (r, s) into (r, n-s); of the two only the one we made is a token.
func TestVerifyRefusesTheTwin(t *testing.T) {
	k := mustOpen(t, newFake(), birth, samplesAccess, samplesRefresh)
	signer, _, err := k.Signer("samples", Access, birth)
	if err != nil {
		t.Fatal(err)
	}
	text, err := jws.Sign([]byte(`{"alg":"ES256"}`), []byte("{}"), signer)
	if err != nil {
		t.Fatal(err)
	}
	dot := strings.LastIndexByte(text, '.')
	signature, err := base64.RawURLEncoding.DecodeString(text[dot+1:])
	if err != nil {
		t.Fatal(err)
	}
	s := new(big.Int).SetBytes(signature[32:])
	s.Sub(elliptic.P256().Params().N, s).FillBytes(signature[32:])
	for _, tc := range []struct {
		name, token string
		want        error
	}{
		{"made", text, nil},
		{"twin", text[:dot+1] + base64.RawURLEncoding.EncodeToString(signature), jws.ErrSignature},
	} {
		parsed, err := jws.Parse(tc.token)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := k.Verify("samples", parsed, bornAt(birth)); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

func TestVerifyWithAFreeKID(t *testing.T) {
	free := samplesAccess
	free.FreeKID = true
	k := mustOpen(t, newFake(), birth, free, samplesRefresh)
	if _, err := k.Verify("samples", mint(t, k, "samples", Access, "s1.17.1790000000"), bornAt(birth)); err != nil {
		t.Error(err)
	}
}

func TestMACFramesItsParts(t *testing.T) {
	k := mustOpen(t, newFake(), birth)
	seen := map[[32]byte]string{}
	for _, parts := range [][]string{{}, {""}, {"a"}, {"", "a"}, {"a", ""}, {"ab"}, {"a", "b"}, {"b", "a"}} {
		var list [][]byte
		for _, p := range parts {
			list = append(list, []byte(p))
		}
		sum := k.MAC(list...)
		if other, ok := seen[sum]; ok {
			t.Errorf("%q and %s have one MAC", parts, other)
		}
		seen[sum] = fmt.Sprintf("%q", parts)
	}
	if k.MAC([]byte("a")) == mustOpen(t, newFake(), birth).MAC([]byte("a")) {
		t.Error("two installations have one MAC key")
	}
}

func TestVersionAndReload(t *testing.T) {
	store := newFake()
	k := mustOpen(t, store, birth, samplesAccess)
	before := k.Version()
	if err := k.Reload(t.Context()); err != nil || k.Version() != before {
		t.Errorf("version %d after %d, nothing changed; %v", k.Version(), before, err)
	}
	mustOpen(t, store, birth, samplesAccess, samplesRefresh)
	if err := k.Reload(t.Context()); err != nil || k.Version() != before+1 {
		t.Errorf("version %d after %d; %v", k.Version(), before, err)
	}
	store.insert(Key{Service: "samples", Purpose: Access, Alg: ES256, State: StatePublished, KID: "other", Sealed: []byte("x")})
	if err := k.Reload(t.Context()); !errors.Is(err, ErrUnopenable) || k.Version() != before+1 {
		t.Errorf("version %d; %v", k.Version(), err)
	}
	if _, _, err := k.Signer("samples", Access, birth); err != nil {
		t.Errorf("keys are gone after a failed reload: %v", err)
	}
}

func TestLegacy(t *testing.T) {
	store := newFake()
	k := mustOpen(t, store, birth, ecologyAccess, ecologyLegacy)
	stopped, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := k.Legacy(stopped, "ecology"); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("caller that does not wait: %v", err)
	}
	key, err := k.Legacy(t.Context(), "ecology")
	if err != nil || key.N.BitLen() != 2048 {
		t.Fatalf("%v", err)
	}
	if _, err := k.Legacy(t.Context(), "samples"); !errors.Is(err, ErrNoKey) {
		t.Errorf("service without one: %v", err)
	}
	again, err := mustOpen(t, store, birth, ecologyLegacy).Legacy(stopped, "ecology")
	if err != nil || !again.Equal(key) {
		t.Errorf("reopened: another key, %v", err)
	}
	var algs []string
	for _, p := range k.Public("ecology") {
		algs = append(algs, p.Alg)
	}
	if diff := cmp.Diff([]string{RSAMD5, ES256}, algs); diff != "" {
		t.Error(diff)
	}
}

func TestLegacyTriesAgain(t *testing.T) {
	store := newFake()
	pinned := ecologyLegacy
	pinned.Pinned, pinned.Wait = pkcs8(t, newRSA(t)), true
	mustOpen(t, store, birth, ecologyAccess)
	store.fail = errors.New("disk full")
	if _, err := Open(t.Context(), store, only(testMaster(t, 1)), []Want{pinned}, at(birth)); err == nil ||
		err.Error() != `storing the legacy key of service "ecology": disk full` {
		t.Errorf("pinned: %v", err)
	}
	k := mustOpen(t, store, birth, ecologyAccess, ecologyLegacy)
	if _, err := k.Legacy(t.Context(), "ecology"); err == nil ||
		err.Error() != `making the legacy key of service "ecology": storing the legacy key of service "ecology": disk full` {
		t.Errorf("own: %v", err)
	}
	store.mu.Lock()
	store.fail = nil
	store.mu.Unlock()
	if _, err := k.Legacy(t.Context(), "ecology"); err != nil {
		t.Errorf("after the disk was freed: %v", err)
	}
}

func TestJWKS(t *testing.T) {
	store := newFake()
	k := mustOpen(t, store, birth, samplesAccess, samplesRefresh, ecologyAccess, Want{Service: "ecology", Purpose: Refresh, Alg: ES256})
	var doc struct {
		Keys []map[string]string `json:"keys"`
	}
	if err := json.Unmarshal(k.JWKS(), &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Keys) != 2 {
		t.Fatalf("%d keys: %s", len(doc.Keys), k.JWKS())
	}
	for i, service := range []string{"ecology", "samples"} {
		got := doc.Keys[i]
		_, kid, err := k.Signer(service, Access, birth)
		if err != nil {
			t.Fatal(err)
		}
		x, y := coordinate(t, got["x"]), coordinate(t, got["y"])
		want := map[string]string{"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": kid, "x": got["x"], "y": got["y"]}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		public, err := jws.NewES256Public(&ecdsa.PublicKey{Curve: elliptic.P256(), X: x, Y: y})
		if err != nil {
			t.Fatal(err)
		}
		if err := jws.Verify(mint(t, k, service, Access, ""), public); err != nil {
			t.Errorf("%s: %v", service, err)
		}
	}
	if got := string(mustOpen(t, newFake(), birth).JWKS()); got != `{"keys":[]}` {
		t.Errorf("empty: %s", got)
	}
}

func coordinate(t *testing.T, text string) *big.Int {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(raw) != 32 {
		t.Fatalf("coordinate of %d bytes, %v", len(raw), err)
	}
	return new(big.Int).SetBytes(raw)
}
