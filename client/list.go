package client

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"
)

const (
	listType    = "application/statuslist+jwt"
	maxListText = 1 << 20
	maxListBits = 128 << 10 // bytes of a list, unpacked: a million places
	minListLife = time.Second
	maxListLife = 24 * time.Hour
	// listSlack is how far a list's iat may lie ahead of the clock here.
	listSlack = time.Minute
)

// statusList is one list of the IETF Token Status List, checked. It is never changed.
type statusList struct {
	bits    []byte
	issued  time.Time
	expires time.Time
	ttl     time.Duration
	fetched time.Time
	etag    string
	before  map[string]int64 // :: service ("" for all) → tokens with an earlier iat are refused
	feed    position         // of the event stream: up to here is in the list
}

// current reports whether the list may still be believed: by its own end, and for its ttl since it was asked for,
// whatever the clock here does.
func (l *statusList) current(now time.Time, leeway time.Duration) bool {
	return l != nil && now.Before(l.expires.Add(leeway)) && time.Since(l.fetched) < l.ttl
}

// ended reports whether the place is marked; ok is false for a place that the list does not have.
func (l *statusList) ended(idx int64) (marked, ok bool) {
	if idx < 0 || idx/8 >= int64(len(l.bits)) {
		return false, false
	}
	return l.bits[idx/8]>>(idx%8)&1 != 0, true
}

// notBefore is the earliest iat that the server accepts for a service.
func (l *statusList) notBefore(service string) int64 { return max(l.before[""], l.before[service]) }

// listNumber is what follows the lists' folder, spelled in one way.
var listNumber = regexp.MustCompile(`^(0|[1-9][0-9]{0,13})$`)

// ourList reports whether an address is one of the server's lists: no token leads us anywhere else.
func ourList(uri, folder string) bool {
	number, ok := strings.CutPrefix(uri, folder)
	return ok && listNumber.MatchString(number)
}

// parseList checks everything about a list but its signature, which is the caller's: type, whose it is and when.
func parseList(t jws, uri string, now time.Time) (*statusList, error) {
	if t.typ != typeOfLists {
		return nil, errors.New("its typ is not " + typeOfLists)
	}
	o, err := parseObject(t.payload, "sub", "iat", "exp", "ttl", "status_list", "not_before", "feed")
	if err != nil {
		return nil, err
	}
	if sub, _ := o.text("sub"); sub != uri {
		return nil, errors.New("its sub is not its address")
	}
	l := new(statusList)
	iat, hasIAT := o.integer("iat")
	exp, hasExp := o.integer("exp")
	ttl, hasTTL := o.integer("ttl")
	l.issued, l.expires, l.ttl = time.Unix(iat, 0), time.Unix(exp, 0), time.Duration(min(ttl, 1<<32))*time.Second
	switch {
	case !hasIAT || !hasExp || !hasTTL || l.ttl < minListLife || l.ttl > maxListLife:
		return nil, errors.New("it has no iat, no exp or no ttl of 1 s to 1 d")
	case l.issued.After(now.Add(listSlack)):
		return nil, errors.New("its iat lies in the future: compare the clocks")
	case !now.Before(l.expires):
		return nil, errors.New("it has expired: compare the clocks")
	}
	if err := l.readOurs(o); err != nil {
		return nil, err
	}
	inner, ok := o.object("status_list", "bits", "lst")
	if bits, isInt := inner.integer("bits"); !ok || !isInt || bits != 1 {
		return nil, errors.New("it has no status_list of one bit for each place")
	}
	packed, _ := inner.text("lst")
	l.bits, err = unpack(packed)
	return l, err
}

// readOurs reads the two claims that a Symbolon server adds.
func (l *statusList) readOurs(o object) error {
	l.before = map[string]int64{}
	if o.has("not_before") {
		inner, ok := o.object("not_before")
		if !ok {
			return errors.New("its not_before is no object")
		}
		for service := range inner {
			if l.before[service], ok = inner.integer(service); !ok {
				return errors.New("its not_before has no time for a service")
			}
		}
	}
	if o.has("feed") {
		text, _ := o.text("feed")
		var ok bool
		if l.feed, ok = parsePosition(text); !ok {
			return errors.New("its feed is no position")
		}
	}
	return nil
}

// unpack reads ZLIB (RFC 1950) in base64url, at most as much as a list may have.
func unpack(packed string) ([]byte, error) {
	raw, err := decode64(packed)
	if err != nil || len(raw) == 0 {
		return nil, errors.New("its lst is empty or no base64url")
	}
	r, err := zlib.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, errors.New("its lst is not packed by ZLIB")
	}
	bits, err := io.ReadAll(io.LimitReader(r, maxListBits+1))
	switch {
	case err != nil: // also a wrong checksum, and a text cut short
		return nil, errors.New("its lst is broken")
	case len(bits) > maxListBits:
		return nil, fmt.Errorf("its lst unpacks to more than %d bytes", maxListBits)
	}
	return bits, nil
}
