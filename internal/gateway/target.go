package gateway

import (
	"errors"
	"net/url"
	"strings"
	"unicode/utf8"
)

// target is what a request asks for. Its path has one meaning only, for us and for whatever is behind.
type target struct {
	raw   string // the path as it was sent
	path  string // decoded
	query string // as it was sent, without the question mark
}

const maxPath = 8 << 10

// What makes a target ambiguous: two programs could read two paths out of it.
var (
	errOrigin    = errors.New("the target is not a path and perhaps a query")
	errLong      = errors.New("the path is longer than 8 KiB")
	errCharacter = errors.New("the path has a character that must not stand there as it is")
	errEscape    = errors.New("the path has a bad escape, or one of a character with a meaning of its own")
	errSegment   = errors.New("the path has an empty segment, or one that means this or the one above")
	errUTF8      = errors.New("the path is not UTF-8")
	errQuery     = errors.New("the query has a character that must not stand there as it is")
)

// parseTarget reads a request target in origin form (RFC 9112 §3.2.1) that every program reads alike.
// A path with empty or dot segments, a backslash, a semicolon, an escaped slash, percent sign or
// delimiter, a control character or bytes that are no UTF-8 is refused, plain or escaped.
func parseTarget(s string) (target, error) {
	raw, query, _ := strings.Cut(s, "?")
	switch {
	case !strings.HasPrefix(raw, "/"):
		return target{}, errOrigin
	case len(raw) > maxPath:
		return target{}, errLong
	case !every(raw, inPath):
		return target{}, errCharacter
	case !every(query, inQuery):
		return target{}, errQuery
	}
	path, err := url.PathUnescape(raw)
	switch {
	case err != nil || escapesMeaning(raw):
		return target{}, errEscape
	case !utf8.ValidString(path):
		return target{}, errUTF8
	case strangeSegment(path):
		return target{}, errSegment
	}
	return target{raw: raw, path: path, query: query}, nil
}

func every(s string, ok func(c byte) bool) bool {
	for i := range len(s) {
		if !ok(s[i]) {
			return false
		}
	}
	return true
}

// inPath holds for the characters of a path in RFC 3986 §3.3, but for the semicolon: what stands behind
// one is a parameter to some programs, and part of the name to others.
func inPath(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("/%-._~!$&'()*+,=:@", c) >= 0
}

// inQuery holds for printable ASCII without the number sign.
func inQuery(c byte) bool { return c > ' ' && c < 0x7f && c != '#' }

// escapesMeaning reports an escape of what separates or ends something for some program.
func escapesMeaning(raw string) bool {
	for i := strings.IndexByte(raw, '%'); i >= 0 && i+2 < len(raw); {
		c := unhex(raw[i+1])<<4 | unhex(raw[i+2])
		if c < ' ' || c == 0x7f || strings.IndexByte(`/\%;?#`, c) >= 0 {
			return true
		}
		next := strings.IndexByte(raw[i+3:], '%')
		if next < 0 {
			return false
		}
		i += 3 + next
	}
	return false
}

// unhex is the value of a digit that url.PathUnescape has accepted.
func unhex(c byte) byte {
	switch {
	case c >= 'a':
		return c - 'a' + 10
	case c >= 'A':
		return c - 'A' + 10
	}
	return c - '0'
}

func strangeSegment(path string) bool {
	rest := path[1:]
	for more := rest != ""; more; {
		var segment string
		segment, rest, more = strings.Cut(rest, "/")
		if segment == "." || segment == ".." || segment == "" && more {
			return true
		}
	}
	return false
}
