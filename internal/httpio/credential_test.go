package httpio

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

func TestParam(t *testing.T) {
	for query, want := range map[string]struct {
		value string
		err   error
	}{
		"":                  {"", nil},
		"jwt=a":             {"a", nil},
		"x=y&jwt=a&z":       {"a", nil},
		"j%77t=a%2Bb":       {"a+b", nil},
		"jwt=a&jwt=a":       {"a", nil},
		"jwt=a&jwt=b":       {"", ErrAmbiguous},
		"jwt=a&%6awt=b":     {"", ErrAmbiguous},
		"jwt=%zz":           {"", ErrForm},
		"JWT=a":             {"", nil},
		"jwt[]=a":           {"", nil},
		"x=%zz;a&%zz=b&jwt": {"", nil},
		"jwt=a;x=y":         {"a;x=y", nil},
	} {
		if got, err := Param(query, "jwt"); got != want.value || !errors.Is(err, want.err) {
			t.Errorf("%q: got %q, %v, want %q, %v", query, got, err, want.value, want.err)
		}
	}
}

func TestStrip(t *testing.T) {
	p := Places{Params: []string{"jwt"}}
	for query, want := range map[string]string{
		"": "", "a=b": "a=b", "jwt=x": "", "a=b&jwt=x&c": "a=b&c", "j%77t=x&a=%zz": "a=%zz", "jwt": "", "jwtx=1": "jwtx=1", "a;b": "a;b",
	} {
		if got := p.Strip(query); got != want {
			t.Errorf("%q: got %q, want %q", query, got, want)
		}
	}
}

func TestStripHeader(t *testing.T) {
	p := Places{Cookies: []string{"edi-token"}}
	h := http.Header{"Authorization": {"a", "b"}, "Accept": {"c"},
		"Cookie": {`a=b; edi-token=x; c="d; EDI-TOKEN=y"`, "seen=1,edi-token=z; ; last=2"}}
	p.StripHeader(h)
	if h["Authorization"] != nil || h.Get("Accept") != "c" || len(h["Cookie"]) != 1 || h.Get("Cookie") != `a=b; c="d; last=2` {
		t.Errorf("got %q", h)
	}
	AddCookie(h, "edi-token", "good")
	if h.Get("Cookie") != `a=b; c="d; last=2; edi-token=good` {
		t.Errorf("got %q", h)
	}
	only := http.Header{"Cookie": {"edi-token=x"}}
	p.StripHeader(only)
	if _, there := only["Cookie"]; there {
		t.Errorf("got %q", only)
	}
}

// Whatever a query looks like, a parameter that was taken out is gone.
func FuzzParam(f *testing.F) {
	for _, s := range []string{"key=a", "a=b&key=c&key=d", "%6bey=%", "key", "&&", "key=%00", "a;key=b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, query string) {
		value, err := Param(query, "key")
		if err != nil && value != "" {
			t.Fatalf("%q: %v, and yet %q", query, err, value)
		}
		if read, e := url.ParseQuery(query); e == nil && err == nil && read.Get("key") != value {
			t.Fatalf("%q: got %q, net/url has %q", query, value, read.Get("key"))
		}
		left := Places{Params: []string{"key"}}.Strip(query)
		if again, err := Param(left, "key"); again != "" || err != nil {
			t.Fatalf("%q: stripped to %q, which still has %q, %v", query, left, again, err)
		}
		if len(left) > len(query) {
			t.Fatalf("%q grew to %q", query, left)
		}
	})
}

// Whatever a Cookie header looks like, no token is left in it.
func FuzzCookies(f *testing.F) {
	for _, s := range []string{"edi-token=a", "a=b; edi-token=c", `a="b;edi-token=c"`, "edi-token", ";;", "EDI-Token=a,edi-token=b", "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, cookies string) {
		h := http.Header{"Cookie": {cookies}}
		value, err := CookieOnce(h, "edi-token")
		if err != nil && value != "" {
			t.Fatalf("%q: %v, and yet %q", cookies, err, value)
		}
		Places{Cookies: []string{"edi-token"}}.StripHeader(h)
		if strings.Contains(strings.ToLower(h.Get("Cookie")), "edi-token") {
			t.Fatalf("%q: left %q", cookies, h.Get("Cookie"))
		}
	})
}
