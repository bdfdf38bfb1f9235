package web

import "testing"

// TestLocal has the ways in which addresses of other sites have been smuggled past such checks.
func TestLocal(t *testing.T) {
	for _, next := range []string{"/symbolon/", "/symbolon/tokens", "/symbolon/revoke-all?service=samples", "/symbolon/profile?done=saved&x=%2F"} {
		if got := local(next); got != next {
			t.Errorf("%q became %q", next, got)
		}
	}
	for _, next := range []string{
		"", "/", "symbolon/", "tokens", "./tokens", "../", "/other", "/symbolon", "/symbolonx/",
		"//evil.example", "//evil.example/symbolon/", "///evil.example", "////evil.example/symbolon/", "/\\evil.example", "\\\\evil.example", "\\/evil.example",
		"/symbolon/\\evil.example", "/symbolon/..//evil.example", "/symbolon/../../evil.example", "/symbolon//evil.example", "/symbolon/./tokens", "/symbolon/.",
		"/symbolon/%2e%2e/", "/symbolon/%2e%2e//evil.example", "/symbolon/%5cevil.example", "/symbolon/%2f%2fevil.example",
		"http://evil.example", "https://evil.example/symbolon/", "HTTPS://evil.example", "http:evil.example", "https:/symbolon/", "http:/evil.example", "https:///evil.example",
		"http://127.0.0.1:8080/symbolon/", "http://tokens.example@evil.example/symbolon/", "//tokens.example@evil.example/symbolon/", "//[::1]/symbolon/",
		"javascript:alert(1)", "JavaScript:alert(1)", "java\tscript:alert(1)", "javascript://symbolon/%0aalert(1)", "data:text/html,x", "vbscript:x", "mailto:x@y",
		"/\t/evil.example", "/symbolon/\t", "\t/symbolon/", " /symbolon/", "/symbolon/ ", "/ /evil.example", "/symbolon/\r\nSet-Cookie: x=y", "/symbolon/%0d%0aSet-Cookie:x",
		"/symbolon/\x00", "/symbolon/%00", "/symbolon/\u2028", "/symbolon/\u3002", "//evil\u3002example", "/symbolon/%", "/symbolon/%zz",
		"/symbolon/#https://evil.example", "#/symbolon/", "?next=/symbolon/", "?/symbolon/", ";/symbolon/", "/;/symbolon/", "@evil.example/symbolon/", ":80/symbolon/",
		"/symbolon/%09/evil.example", "/%09/evil.example", "/%5cevil.example", "/%2f/evil.example",
	} {
		if got := local(next); got != "/symbolon/" {
			t.Errorf("%q is let through as %q", next, got)
		}
	}
}
