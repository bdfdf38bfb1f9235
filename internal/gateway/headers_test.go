package gateway

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"symbolon/internal/config"
	"symbolon/internal/token"
)

func TestStripTakesEverySpelling(t *testing.T) {
	h := newHeaders((&config.Service{IdentityHeaders: map[string]string{"account": "Remote-User"}}).HeaderNames())
	in := http.Header{}
	for _, name := range []string{
		"X-Auth-Account", "x-auth-account", "X_Auth_Account", "X-Auth_Account", "X_AUTH-ACCOUNT", "X.Auth.Account", "x!auth~account",
		"Remote-User", "REMOTE_USER", "Remote_user", "X-Forwarded-For", "X_Forwarded_For", "X-Forwarded-Anything", "Forwarded",
		"X-Original-URL", "X_Original_Uri", "X-Rewrite-Url", "X-Real-IP", "X-HTTP-Method-Override", "X_HTTP_Method", "X-Method-Override",
		"Proxy", "X-Request-Id", "X-Auth-Groups", "X_Auth_Expires",
	} {
		in[name] = []string{"spoofed"}
	}
	kept := http.Header{"Accept": {"a"}, "X-Authority": {"b"}, "Remote-Users": {"c"}, "My_Header": {"d"}, "Proxyfoo": {"e"}}
	for name, values := range kept {
		in[name] = values
	}
	h.strip(in)
	if len(in) != len(kept) {
		t.Errorf("left: %v, want %v", in, kept)
	}
}

func TestListsEndBetweenItems(t *testing.T) {
	var sub token.Subject
	for range 1000 {
		sub.Groups = append(sub.Groups, token.Group{Name: "a-group-of-twenty-ch"})
	}
	got := fields["groups"](&token.Holder{Subject: sub})
	if len(got) > maxList || len(got) < maxList-30 || strings.HasSuffix(got, ",") || len(got)%21 != 20 {
		t.Errorf("%d bytes, the end of which is %q", len(got), got[len(got)-30:])
	}
}

// Whatever a name holds, its header is one line of ASCII, and decoding gives it back.
func FuzzEncode(f *testing.F) {
	for _, s := range []string{"", " ", "Ada", "Müller", "a\r\nX-Auth-Account: root", "100%", "a,b", "\x00", " a ", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, got := range []string{encode(s), item(s)} {
			if !every(got, func(c byte) bool { return c >= ' ' && c <= '~' }) || strings.TrimSpace(got) != got {
				t.Fatalf("%q became %q", s, got)
			}
			if back, err := url.PathUnescape(got); err != nil || back != s {
				t.Fatalf("%q became %q, which means %q, %v", s, got, back, err)
			}
		}
		if strings.Contains(item(s), ",") {
			t.Fatalf("%q became two items: %q", s, item(s))
		}
	})
}
