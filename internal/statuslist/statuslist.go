// Package statuslist makes signed status lists (draft-ietf-oauth-status-list, "Status List Token", the JWT form) of
// what an engine says has ended, for servers that check tokens without calling us.
package statuslist

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"sync"
	"time"

	"symbolon/internal/jws"
	"symbolon/internal/token"
)

// MediaType is the type of a list on the wire.
const MediaType = "application/statuslist+jwt"

// level is zlib's: with higher ones a list shrinks no further and takes several times as long.
const level = 7

const (
	// rest is how long a list is given out before anybody looks for changes.
	rest = time.Second
	// maxKept bounds the lists in memory, each 16 KiB of bits and at most 30 KiB of text.
	maxKept = 256
)

// Source says what has ended. It answers from memory, but for HasStatusList, which may ask a store.
type Source interface {
	// Fresh fails while it cannot vouch for being complete, and so does StatusList.
	Fresh() error
	HasStatusList(ctx context.Context, list int64) (bool, error)
	StatusList(list int64) (token.StatusList, error)
	StatusURI(list int64) string
}

// Publisher makes lists when they are asked for, each at most once a second and only when it changed or a quarter
// of its life is over. What it gives out is a D. All fields are required.
type Publisher[D any] struct {
	Source  Source
	Signer  func() (signer jws.Signer, kid string, err error) // an ES256 key that is published
	Publish func(text []byte, life time.Duration) D           // is called once for each JWT that is made
	TTL     time.Duration                                     // how long a verifier may go by one list
	Issuer  string

	mu   sync.Mutex
	kept map[int64]*kept[D] // :: list → as it was last made
}

type kept[D any] struct {
	document D
	kid      string
	looked   time.Time // when it last was what is true
	of       token.StatusList
}

// claims are those of a list; the last two are ours.
type claims struct {
	Issuer string           `json:"iss"`
	Sub    string           `json:"sub"`
	IAT    int64            `json:"iat"`
	Exp    int64            `json:"exp"`
	TTL    int64            `json:"ttl"`
	List   compressed       `json:"status_list"`
	Before map[string]int64 `json:"not_before,omitempty"` // :: service ("" for all) → tokens issued before are refused
	Feed   string           `json:"feed"`                 // the event stream up to here is in the list
}

type compressed struct {
	Bits int    `json:"bits"`
	List string `json:"lst"`
}

// List returns a list as a JWT, the zero D for one that cannot be. Its iat is the moment up to which nothing is missing and
// its exp the TTL later, so that whoever cannot fetch another stops believing it. A source that is not sure of being
// complete is an error, whatever was made before.
func (p *Publisher[D]) List(ctx context.Context, list int64, now time.Time) (none D, _ error) {
	if known, err := p.Source.HasStatusList(ctx, list); !known || err != nil {
		return none, err
	}
	if err := p.Source.Fresh(); err != nil {
		return none, err
	}
	signer, kid, err := p.Signer()
	if err != nil {
		return none, fmt.Errorf("finding the key of status lists: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	k := p.kept[list]
	if k != nil && k.kid == kid && k.resting(now) {
		return k.document, nil
	}
	present, err := p.Source.StatusList(list)
	if err != nil {
		return none, err
	}
	if k != nil && k.kid == kid && k.good(present, p.TTL) {
		k.looked = now
		return k.document, nil
	}
	text, err := p.sign(list, present, signer, kid)
	if err != nil {
		return none, err
	}
	d := p.Publish(text, p.TTL)
	p.keep(list, &kept[D]{document: d, kid: kid, looked: now, of: present})
	return d, nil
}

func (k *kept[D]) resting(now time.Time) bool {
	since := now.Sub(k.looked)
	return since >= 0 && since < rest
}

// good reports whether what was made says what is true now, and will be believed long enough.
func (k *kept[D]) good(present token.StatusList, ttl time.Duration) bool {
	same := k.of.Feed == present.Feed && bytes.Equal(k.of.Bits, present.Bits) && maps.EqualFunc(k.of.NotBefore, present.NotBefore, time.Time.Equal)
	age := present.At.Sub(k.of.At)
	return same && age >= 0 && age < ttl/4
}

func (p *Publisher[D]) keep(list int64, k *kept[D]) {
	if p.kept == nil || len(p.kept) >= maxKept {
		p.kept = map[int64]*kept[D]{}
	}
	p.kept[list] = k
}

func (p *Publisher[D]) sign(list int64, present token.StatusList, signer jws.Signer, kid string) ([]byte, error) {
	c := claims{Issuer: p.Issuer, Sub: p.Source.StatusURI(list), IAT: present.At.Unix(), TTL: int64(p.TTL / time.Second),
		List:   compressed{Bits: 1, List: compress(present.Bits)},
		Before: map[string]int64{}, Feed: present.Feed.String()}
	c.Exp = c.IAT + c.TTL
	for service, at := range present.NotBefore {
		c.Before[service] = at.Unix()
	}
	header, err := json.Marshal(struct {
		Alg string `json:"alg"`
		KID string `json:"kid"`
		Typ string `json:"typ"`
	}{signer.Alg(), kid, "statuslist+jwt"})
	if err != nil {
		return nil, fmt.Errorf("laying out status list %d: %w", list, err)
	}
	payload, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("laying out status list %d: %w", list, err)
	}
	text, err := jws.SignDocument(header, payload, signer)
	if err != nil {
		return nil, fmt.Errorf("signing status list %d: %w", list, err)
	}
	return []byte(text), nil
}

// compress is ZLIB (RFC 1950) in base64url, as the draft asks.
func compress(bits []byte) string {
	var b bytes.Buffer
	w, err := zlib.NewWriterLevel(&b, level)
	if err != nil {
		panic("statuslist: zlib does not know level 7")
	}
	// Writing to memory cannot fail.
	_, _ = w.Write(bits)
	_ = w.Close()
	return base64.RawURLEncoding.EncodeToString(b.Bytes())
}
