package web

import (
	"net/url"
	"strings"
)

// local returns the path of ours that next is, or our start page: nobody is sent elsewhere
// because a link said so (RFC 9700 §4.11).
func local(next string) string {
	const start = root + "/"
	u, err := url.Parse(next)
	switch {
	case err != nil, u.Scheme != "", u.Host != "", u.User != nil, u.Opaque != "", u.Fragment != "",
		!strings.HasPrefix(next, start), strings.ContainsFunc(next, odd),
		strings.Contains(u.Path, "//"), strings.Contains(u.Path, "/."), strings.ContainsFunc(u.Path, odd):
		return start
	}
	return next
}

// odd are the characters that browsers read otherwise than we do.
func odd(c rune) bool { return c <= ' ' || c == '\\' || c > '~' }
