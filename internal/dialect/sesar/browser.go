package sesar

import (
	"net/netip"
	"net/url"
	"strings"

	"symbolon/internal/httpio"
	"symbolon/internal/secret"
)

// pages is how a browser shows that a person is signed in to our own pages. The zero value
// takes no browser.
type pages struct {
	origin string // as browsers write it (RFC 6454 §6.2)
	cookie string
}

// pagesAt returns the pages of the server with that public origin. Without TLS the cookie has
// another name, and is taken on a loopback address only.
func pagesAt(baseURL string) pages {
	u, err := url.Parse(baseURL)
	if err != nil || u.Host == "" {
		return pages{}
	}
	origin := strings.ToLower(u.Scheme + "://" + u.Host)
	switch u.Scheme {
	case "https":
		return pages{strings.TrimSuffix(origin, ":443"), "__Host-symbolon-browser"}
	case "http":
		if loopback(u.Hostname()) {
			return pages{strings.TrimSuffix(origin, ":80"), "symbolon-browser"}
		}
	}
	return pages{}
}

func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

// browser returns the secret of the browser that sent the request, zero where there is none.
// One that another site had it send is answered here: a cookie alone shows no intent, so the
// browser must also say that a page of ours sent it.
func (p pages) browser(r *httpio.Request) (secret.Text, *httpio.Response) {
	if p.cookie == "" || r.Method != "POST" || r.Cookie(p.cookie) == "" {
		return secret.Text{}, nil
	}
	if !p.sameOrigin(r) {
		resp := jsonAnswer(403, detail("CSRF Failed: the request does not come from a page of this server."))
		return secret.Text{}, &resp
	}
	return secret.New(r.Cookie(p.cookie)), nil
}

// sameOrigin wants at least one of the two headers, and nothing else in either.
func (p pages) sameOrigin(r *httpio.Request) bool {
	site, origin := r.Header.Values("Sec-Fetch-Site"), r.Header.Values("Origin")
	return len(site)+len(origin) > 0 && only(site, "same-origin") && only(origin, p.origin)
}

// only reports whether there is at most one value, and no other than want.
func only(values []string, want string) bool {
	return len(values) == 0 || len(values) == 1 && values[0] == want
}
