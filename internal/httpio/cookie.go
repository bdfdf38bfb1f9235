package httpio

import (
	"net/http"
	"time"
)

// Cookies makes the cookies of our own pages: for this host alone, out of reach of
// scripts, not sent along when another site posts here.
type Cookies struct {
	// Plain leaves Secure and the prefix __Host- away, which browsers ask TLS for. Only
	// for http on a loopback address.
	Plain bool
}

// Name is the full name of the cookie, to look for in a request.
func (c Cookies) Name(name string) string {
	if c.Plain {
		return name
	}
	return "__Host-" + name
}

// Set is the Set-Cookie header for a value that the browser keeps for life.
func (c Cookies) Set(name, value string, life time.Duration) string {
	return c.cookie(name, value, int(life/time.Second)).String()
}

// Drop is the Set-Cookie header that removes the cookie.
func (c Cookies) Drop(name string) string { return c.cookie(name, "", -1).String() }

func (c Cookies) cookie(name, value string, age int) *http.Cookie {
	return &http.Cookie{Name: c.Name(name), Value: value, Path: "/", MaxAge: age,
		Secure: !c.Plain, HttpOnly: true, SameSite: http.SameSiteLaxMode}
}
