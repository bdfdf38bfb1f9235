package httpio

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

const maxAgent = 200

// Request is what a handler sees of a request, read whole. Header is shared with
// net/http and must not be changed; nothing in it has been authenticated.
type Request struct {
	Method  string // upper case; GET for HEAD
	Path    string // decoded, as routed
	Target  string // path and query as they were sent
	Header  http.Header
	Query   url.Values // at most 64 parameters
	Body    []byte     // within the adapter's limit; nil when there is none
	Addr    netip.Addr // the client's; the zero Addr when the peer has none
	Trusted bool       // the peer is one whose forwarding headers are believed
	Agent   string     // User-Agent, at most 200 printable characters
	ID      string     // 16 hex digits, always ours; no secret

	route  string        // for the log
	routed *http.Request // for its path values
}

// PathValue returns what stands in the path for a name in the route's pattern, "" when the pattern has no such name.
func (r *Request) PathValue(name string) string {
	if r.routed == nil {
		return ""
	}
	return r.routed.PathValue(name)
}

// Cookie returns the first cookie of that name without surrounding double quotes, or ""
// when there is none.
func (r *Request) Cookie(name string) string {
	cookies := (&http.Request{Header: r.Header}).CookiesNamed(name)
	if len(cookies) == 0 {
		return ""
	}
	return cookies[0].Value
}

// printable keeps the first 200 printable characters.
func printable(s string) string {
	if plain(s) {
		return s
	}
	var b strings.Builder
	n := 0
	for i, c := range s {
		if n == maxAgent {
			break
		}
		if !unicode.IsPrint(c) || invalidAt(s, i, c) {
			continue
		}
		b.WriteRune(c)
		n++
	}
	return b.String()
}

// plain reports whether all of s may stay, as it may of nearly every client.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return len(s) <= maxAgent
}

// invalidAt tells a byte that is no UTF-8 from a U+FFFD that was really sent.
func invalidAt(s string, i int, c rune) bool {
	if c != utf8.RuneError {
		return false
	}
	_, size := utf8.DecodeRuneInString(s[i:])
	return size == 1
}
