package token

import (
	"context"
	"encoding/binary"
	"maps"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// StatusRef is a token's place in a status list (draft-ietf-oauth-status-list, "Referenced Token").
type StatusRef struct {
	Index int64  `json:"idx"`
	URI   string `json:"uri"`
}

// Status is the claim status of a token.
type Status struct {
	List StatusRef `json:"status_list"`
}

// StatusList is the content of one list: the grants of one block, by their keyed places.
type StatusList struct {
	Bits      []byte               // bit i is i%8 of byte i/8, counted from the least significant; set: ended
	At        time.Time            // nothing that ended before is missing
	Feed      Position             // the feed up to here is in it
	NotBefore map[string]time.Time // :: service ("" for all) → tokens issued before are refused
}

// StatusURI is the address of one list.
func (e *Engine) StatusURI(list int64) string { return e.statusBase + strconv.FormatInt(list, 10) }

// Place returns where the bit of a grant stands. It is the same for ever, so that a token can be minted again.
func (e *Engine) Place(grant int64) StatusRef {
	list := grant / blockBits
	return StatusRef{Index: e.places.of(e, list).place(grant % blockBits), URI: e.StatusURI(list)}
}

// statusOf is the claim for a token of the kind; nil where nobody but us reads it.
func (e *Engine) statusOf(kind Kind, grant int64) *Status {
	if kind != Access || e.statusBase == "" {
		return nil
	}
	return &Status{List: e.Place(grant)}
}

// HasStatusList reports whether a token may name the list: not where it lies more than one list past the last
// grant. For a number past what is known it asks the store, at most ten times a second.
func (e *Engine) HasStatusList(ctx context.Context, list int64) (bool, error) {
	if list < 0 {
		return false, nil
	}
	if list > e.head.list() && e.head.due(e.now()) {
		top, err := e.store.Head(ctx)
		if err != nil {
			return false, err
		}
		e.head.raise(top)
	}
	return list <= e.head.list()+1, nil
}

// StatusList returns a list's content. Unavailable means that news of revocations is older than the bound. It
// reads no store, and keeps nothing for a list without ended grants.
func (e *Engine) StatusList(list int64) (StatusList, error) {
	confirmed, at := e.news.state()
	if err := e.vouching(); err != nil {
		return StatusList{}, err
	}
	l := StatusList{Bits: make([]byte, blockBits/8), At: confirmed, Feed: at, NotBefore: e.ended.births()}
	p := e.places.of(e, list)
	e.ended.each(list, func(n int64) {
		i := p.place(n)
		l.Bits[i/8] |= 1 << (i % 8)
	})
	return l, nil
}

// state is the moment and the position of the last confirmation.
func (n *news) state() (time.Time, Position) {
	if s := n.confirmed.Load(); s != nil {
		return s.at, s.position
	}
	return time.Time{}, Position{}
}

// each calls do with the place in its block of every grant of the block that ended or was lost.
func (e *ended) each(list int64, do func(n int64)) {
	for _, r := range *e.lost.Load() {
		for n := max(r.First, list*blockBits); n <= min(r.Last, (list+1)*blockBits-1); n++ {
			do(n % blockBits)
		}
	}
	b := (*e.blocks.Load())[list]
	if b == nil {
		return
	}
	for i := range b {
		for word, n := b[i].Load(), int64(i)*64; word != 0; word, n = word>>1, n+1 {
			if word&1 != 0 {
				do(n)
			}
		}
	}
}

// births returns the first iat that each service accepts.
func (e *ended) births() map[string]time.Time { return maps.Clone(e.marks.Load().notBefore) }

// head is the highest grant number that this process has met.
type head struct {
	top   atomic.Int64
	asked atomic.Int64 // when the store was last asked, in Unix ms
}

func (h *head) raise(grant int64) {
	for old := h.top.Load(); grant > old && !h.top.CompareAndSwap(old, grant); old = h.top.Load() {
	}
}

func (h *head) list() int64 { return h.top.Load() / blockBits }

// due reports whether the store may be asked again, and takes it as asked.
func (h *head) due(now time.Time) bool {
	last, ms := h.asked.Load(), now.UnixMilli()
	return (ms-last >= 100 || ms < last) && h.asked.CompareAndSwap(last, ms)
}

// A place is 17 bits, which an alternating Feistel network permutes: 9 bits and 8, eight rounds.
const (
	leftBits, rightBits = 9, 8
	rounds              = 8
)

// permutation gives the numbers of one block other places, so that a list does not tell in which order grants were
// made. Its tables come from a key of the installation.
type permutation struct {
	left  [rounds / 2][1 << rightBits]uint16 // :: right half → what changes the left
	right [rounds / 2][1 << leftBits]uint16  // :: left half → what changes the right
}

func newPermutation(seed [32]byte) *permutation {
	random := rand.NewChaCha8(seed) // its output for a seed is fixed, see C2SP chacha8rand
	p := new(permutation)
	for r := range rounds / 2 {
		for i := range p.left[r] {
			p.left[r][i] = uint16(random.Uint64() % (1 << leftBits))
		}
		for i := range p.right[r] {
			p.right[r][i] = uint16(random.Uint64() % (1 << rightBits))
		}
	}
	return p
}

// place is one to one on 0 … 2^17-1.
func (p *permutation) place(n int64) int64 {
	left, right := uint16(n>>rightBits), uint16(n&(1<<rightBits-1))
	for r := range rounds / 2 {
		left ^= p.left[r][right]
		right ^= p.right[r][left]
	}
	return int64(left)<<rightBits | int64(right)
}

// maxPlaces bounds the permutations that are kept, 6 KiB each.
const maxPlaces = 256

// places keeps the permutations in use.
type places struct {
	mu sync.RWMutex
	m  map[int64]*permutation // :: list → its permutation
}

func newPlaces() *places { return &places{m: map[int64]*permutation{}} }

func (c *places) of(e *Engine, list int64) *permutation {
	c.mu.RLock()
	p := c.m[list]
	c.mu.RUnlock()
	if p != nil {
		return p
	}
	p = newPermutation(e.keys.MAC([]byte("status place"), binary.BigEndian.AppendUint64(nil, uint64(list))))
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.m) >= maxPlaces {
		clear(c.m)
	}
	c.m[list] = p
	return p
}
