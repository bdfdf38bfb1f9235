package gateway

import (
	"net/http"
	"strconv"
	"strings"

	"symbolon/internal/config"
	"symbolon/internal/token"
)

// headers tell the server behind who asks.
type headers struct {
	names   map[string]string   // :: field → header
	foreign map[string]struct{} // :: folded name → is ours to set, under whatever spelling it comes
}

func newHeaders(names map[string]string) headers {
	h := headers{names: map[string]string{}, foreign: map[string]struct{}{}}
	for field, name := range names {
		h.names[field] = http.CanonicalHeaderKey(name)
		h.foreign[fold(name)] = struct{}{}
	}
	for _, name := range (&config.Service{}).HeaderNames() {
		h.foreign[fold(name)] = struct{}{}
	}
	return h
}

// fold is what programs make of a header's name that put it into a variable: letter case does not count, and
// whatever is neither letter nor digit is one and the same character.
func fold(name string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c >= 'A' && c <= 'Z':
			return c + 'a' - 'A'
		case c >= 'a' && c <= 'z' || c >= '0' && c <= '9':
			return c
		}
		return '-'
	}, name)
}

// overrides are headers by which a client could tell the server behind another path, method, address or
// proxy than the request has. One that ends in a hyphen stands for all that begin so.
var overrides = []string{"forwarded", "proxy", "x-forwarded-", "x-original-", "x-rewrite-url", "x-real-ip", "x-http-method",
	"x-http-method-override", "x-method-override", "x-request-id"}

// strip takes out what only we may say, in every spelling.
func (h headers) strip(from http.Header) {
	for name := range from {
		folded := fold(name)
		if _, ours := h.foreign[folded]; ours || overriding(folded) {
			delete(from, name)
		}
	}
}

func overriding(folded string) bool {
	for _, o := range overrides {
		if folded == o || strings.HasSuffix(o, "-") && strings.HasPrefix(folded, o) {
			return true
		}
	}
	return false
}

// set sets every identity header, empty where there is nothing to say. nil is nobody.
func (h headers) set(to http.Header, holder *token.Holder) {
	values := map[string]string{}
	if holder != nil {
		values = describe(*holder)
	}
	for field, name := range h.names {
		to[name] = []string{values[field]}
	}
}

// maxList is how long a list may become: an item that would make it longer ends it.
const maxList = 4 << 10

// ownProvider is that of passwords, which are the account's own: nobody outside vouches for it.
const ownProvider = "password"

// describe says who a holder is. Whoever acts for a group is the group: it has a name and a subject, no
// account and no identities.
func describe(h token.Holder) map[string]string {
	sub := h.Subject
	values := map[string]string{"subject": encode(h.Claims.Subject), "scope": encode(h.Scope)}
	if h.Claims.Subject == "" {
		values["subject"] = encode(sub.ID)
	}
	if h.Claims.Grant > 0 {
		values["grant"] = strconv.FormatInt(h.Claims.Grant, 10)
	}
	if !h.Claims.Expires.IsZero() {
		values["expires"] = strconv.FormatInt(h.Claims.Expires.Unix(), 10)
	}
	if sub.Acting != nil {
		values["name"], values["groups"] = encode(sub.Acting.Name), item(sub.Acting.Name)
		return values
	}
	values["name"] = encode(sub.Display)
	if sub.Account != 0 {
		values["account"] = encode(sub.Name)
	}
	var groups, identities []string
	for _, g := range sub.Groups {
		groups = append(groups, item(g.Name))
	}
	for _, i := range sub.Identities {
		if i.Provider != ownProvider {
			identities = append(identities, item(i.Provider+":"+i.Subject))
		}
	}
	values["groups"], values["identities"] = list(groups), list(identities)
	return values
}

// encode makes a text safe for a header: a percent sign, and every byte of its UTF-8 outside printable
// ASCII, becomes %XX (RFC 3986 §2.1); so does a blank at either end.
func encode(s string) string { return escape(s, "%") }

// item is encode for a member of a list, whose commas become %2C too.
func item(s string) string { return escape(s, "%,") }

func escape(s, also string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		edge := c == ' ' && (i == 0 || i == len(s)-1)
		if c < ' ' || c > '~' || edge || strings.IndexByte(also, c) >= 0 {
			const digits = "0123456789ABCDEF"
			b.WriteByte('%')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

func list(items []string) string {
	size := 0
	for i, s := range items {
		if size += len(s) + 1; size > maxList {
			items = items[:i]
			break
		}
	}
	return strings.Join(items, ",")
}
