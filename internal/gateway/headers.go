package gateway

import (
	"cmp"
	"net/http"
	"strconv"
	"strings"

	"symbolon/internal/config"
	"symbolon/internal/token"
)

// headers tell the server behind who asks.
type headers struct {
	names   []named
	foreign map[string]struct{} // :: folded name → is ours to set, under whatever spelling it comes
}

// named is one of them, and what it says of a holder.
type named struct {
	header string
	text   func(*token.Holder) string
}

func newHeaders(names map[string]string) headers {
	h := headers{foreign: map[string]struct{}{}}
	for field, name := range names {
		h.names = append(h.names, named{http.CanonicalHeaderKey(name), fields[field]})
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
	all := make([]string, len(h.names))
	for i, n := range h.names {
		if holder != nil {
			all[i] = n.text(holder)
		}
		to[n.header] = all[i : i+1 : i+1]
	}
}

// maxList is how long a list may become: an item that would make it longer ends it.
const maxList = 4 << 10

// ownProvider is that of passwords, which are the account's own: nobody outside vouches for it.
const ownProvider = "password"

// fields say who a holder is. Whoever acts for a group is the group: it has a name and a subject, no
// account and no identities.
var fields = map[string]func(*token.Holder) string{ // :: field → its text
	"subject": func(h *token.Holder) string { return encode(cmp.Or(h.Claims.Subject, h.Subject.ID)) },
	"scope":   func(h *token.Holder) string { return encode(h.Scope) },
	"grant": func(h *token.Holder) string {
		if h.Claims.Grant <= 0 {
			return ""
		}
		return strconv.FormatInt(h.Claims.Grant, 10)
	},
	"expires": func(h *token.Holder) string {
		if h.Claims.Expires.IsZero() {
			return ""
		}
		return strconv.FormatInt(h.Claims.Expires.Unix(), 10)
	},
	"name": func(h *token.Holder) string {
		if h.Subject.Acting != nil {
			return encode(h.Subject.Acting.Name)
		}
		return encode(h.Subject.Display)
	},
	"account": func(h *token.Holder) string {
		if h.Subject.Acting != nil || h.Subject.Account == 0 {
			return ""
		}
		return encode(h.Subject.Name)
	},
	"groups":     groups,
	"identities": identities,
}

func groups(h *token.Holder) string {
	if h.Subject.Acting != nil {
		return item(h.Subject.Acting.Name)
	}
	var all []string
	for _, g := range h.Subject.Groups {
		all = append(all, item(g.Name))
	}
	return list(all)
}

func identities(h *token.Holder) string {
	if h.Subject.Acting != nil {
		return ""
	}
	var all []string
	for _, i := range h.Subject.Identities {
		if i.Provider != ownProvider {
			all = append(all, item(i.Provider+":"+i.Subject))
		}
	}
	return list(all)
}

// encode makes a text safe for a header: a percent sign, and every byte of its UTF-8 outside printable
// ASCII, becomes %XX (RFC 3986 §2.1); so does a blank at either end.
func encode(s string) string { return escape(s, '%') }

// item is encode for a member of a list, whose commas become %2C too.
func item(s string) string { return escape(s, ',') }

func escape(s string, also byte) string {
	i := 0
	for i < len(s) && !escapes(s, i, also) {
		i++
	}
	if i == len(s) {
		return s
	}
	var b strings.Builder
	b.WriteString(s[:i])
	for ; i < len(s); i++ {
		c := s[i]
		if escapes(s, i, also) {
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

func escapes(s string, i int, also byte) bool {
	c := s[i]
	edge := c == ' ' && (i == 0 || i == len(s)-1)
	return c < ' ' || c > '~' || c == '%' || c == also || edge
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
