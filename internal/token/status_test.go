package token

import (
	"bytes"
	"context"
	"log/slog"
	"math/bits"
	"testing"
	"time"
)

// TestPlacesAreOneToOne walks a whole block: two grants on one bit would end together.
func TestPlacesAreOneToOne(t *testing.T) {
	p := newPermutation([32]byte{1, 2, 3})
	seen := make([]bool, blockBits)
	stay := 0
	for n := range int64(blockBits) {
		i := p.place(n)
		if i < 0 || i >= blockBits || seen[i] {
			t.Fatalf("%d is put on %d, which is outside or taken", n, i)
		}
		seen[i] = true
		if i == n {
			stay++
		}
	}
	if stay > 50 {
		t.Errorf("%d places are as they were", stay)
	}
}

// TestPlacesAreFixed: they stand in tokens that live on over a new version.
func TestPlacesAreFixed(t *testing.T) {
	p := newPermutation([32]byte{1, 2, 3})
	for n, want := range map[int64]int64{0: 69010, 1: 89704, blockBits - 1: 68426} {
		if got := p.place(n); got != want {
			t.Errorf("place of %d is %d, was %d", n, got, want)
		}
	}
}

// heads is a store whose highest grant a test sets.
type heads struct {
	Store
	top   int64
	asked int
}

func (h *heads) Head(context.Context) (int64, error) {
	h.asked++
	return h.top, nil
}

// macs is keys that make MACs alone.
type macs struct{ Keys }

func (macs) MAC(parts ...[]byte) (sum [32]byte) {
	copy(sum[:], bytes.Join(parts, []byte{0}))
	return sum
}

func statusEngine(now func() time.Time) (*Engine, *heads) {
	h := &heads{}
	return New(Options{Store: h, Keys: macs{}, Now: now, StatusBase: "https://t.example/symbolon/status/",
		Log: slog.New(slog.DiscardHandler)}), h
}

func TestStatusListHasTheEndedGrants(t *testing.T) {
	now := noon
	e, _ := statusEngine(func() time.Time { return now })
	if _, err := e.StatusList(0); CodeOf(err) != Unavailable {
		t.Errorf("a list before any news: %v", err)
	}
	e.news.at = Position{1, 7}
	e.news.confirm(noon)
	ended := []int64{1, 64, blockBits - 1, 3*blockBits + 5}
	e.ended.grants(ended)
	for _, list := range []int64{0, 1, 3} {
		got, err := e.StatusList(list)
		if err != nil {
			t.Fatal(err)
		}
		if !got.At.Equal(noon) || got.Feed != (Position{1, 7}) {
			t.Errorf("list of %v at %v", got.At, got.Feed)
		}
		for n := list * blockBits; n < (list+1)*blockBits; n++ {
			ref := e.Place(n)
			if set := got.Bits[ref.Index/8]&(1<<(ref.Index%8)) != 0; set != e.ended.has(n) {
				t.Fatalf("grant %d: bit %v", n, set)
			}
			if ref.URI != e.StatusURI(list) {
				t.Fatalf("grant %d is in %s", n, ref.URI)
			}
		}
	}
	if blocks := len(*e.ended.blocks.Load()); blocks != 2 {
		t.Errorf("%d blocks after reading, want the 2 that have ended grants", blocks)
	}
	now = noon.Add(31 * time.Second)
	if _, err := e.StatusList(0); CodeOf(err) != Unavailable {
		t.Errorf("a list past the bound: %v", err)
	}
}

// TestOtherListsHaveOtherPlaces: the first grant of each list would else be known in all of them.
func TestOtherListsHaveOtherPlaces(t *testing.T) {
	e, _ := statusEngine(time.Now)
	if e.Place(0).Index == e.Place(blockBits).Index && e.Place(1).Index == e.Place(blockBits+1).Index {
		t.Error("two lists have the same places")
	}
	for n := range int64(2 * maxPlaces) {
		e.Place(n * blockBits)
	}
	if kept := len(e.places.m); kept > maxPlaces {
		t.Errorf("%d permutations are kept", kept)
	}
}

func TestWhichListsThereAre(t *testing.T) {
	now := noon
	e, h := statusEngine(func() time.Time { return now })
	has := func(list int64, want bool) {
		t.Helper()
		got, err := e.HasStatusList(t.Context(), list)
		if err != nil || got != want {
			t.Errorf("list %d: %v, %v; want %v", list, got, err, want)
		}
	}
	has(-1, false)
	has(0, true)
	has(1, true) // another server may be at its first grants
	h.top = 5 * blockBits
	has(6, false) // asked a moment ago
	asked := h.asked
	for range 100 {
		has(6, false)
	}
	if h.asked != asked {
		t.Errorf("the store was asked %d times within no time", h.asked-asked)
	}
	now = now.Add(100 * time.Millisecond)
	has(6, true)
	has(7, false)
	now = now.Add(-time.Hour)
	h.top = 9 * blockBits
	has(10, true) // the clock went back
}

func TestOnlyAccessTokensHaveAPlace(t *testing.T) {
	e, _ := statusEngine(time.Now)
	if e.statusOf(Access, 5) == nil || e.statusOf(Refresh, 5) != nil {
		t.Error("the wrong kind of token has a status")
	}
	e.statusBase = ""
	if e.statusOf(Access, 5) != nil {
		t.Error("a token names a list without an address")
	}
}

// TestLostGrantsAreInTheList: tokens of grants that a restore lost are out, and nothing else tells a list of them.
func TestLostGrantsAreInTheList(t *testing.T) {
	e, _ := statusEngine(func() time.Time { return noon })
	e.news.confirm(noon)
	e.ended.lost.Store(&[]Range{{First: blockBits - 2, Last: blockBits + 1}})
	for list, want := range map[int64]int{0: 2, 1: 2, 2: 0} {
		l, err := e.StatusList(list)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, b := range l.Bits {
			n += bits.OnesCount8(b)
		}
		if n != want {
			t.Errorf("list %d has %d bits, want %d", list, n, want)
		}
	}
}
