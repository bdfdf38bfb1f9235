package gateway

import (
	"errors"
	"net/url"
	"path"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParseTarget(t *testing.T) {
	for s, want := range map[string]struct {
		path string
		err  error
	}{
		"/":                                {"/", nil},
		"/data":                            {"/data", nil},
		"/data/":                           {"/data/", nil},
		"/data/a.b~c-_!$&'()*+,=:@":        {"/data/a.b~c-_!$&'()*+,=:@", nil},
		"/%64ata":                          {"/data", nil},
		"/M%C3%BCller":                     {"/Müller", nil},
		"/a%20b":                           {"/a b", nil},
		"/a?b=/../c&d=%2f":                 {"/a", nil},
		"/a?":                              {"/a", nil},
		"/...":                             {"/...", nil},
		"/.well":                           {"/.well", nil},
		"":                                 {"", errOrigin},
		"*":                                {"", errOrigin},
		"data":                             {"", errOrigin},
		"?/data":                           {"", errOrigin},
		"http://host/data":                 {"", errOrigin},
		"//host/data":                      {"", errSegment},
		"/a//b":                            {"", errSegment},
		"/a//":                             {"", errSegment},
		"/.":                               {"", errSegment},
		"/..":                              {"", errSegment},
		"/a/..":                            {"", errSegment},
		"/a/./b":                           {"", errSegment},
		"/a/../b":                          {"", errSegment},
		"/a/%2e%2e/b":                      {"", errSegment},
		"/a/.%2E":                          {"", errSegment},
		"/a/%2e":                           {"", errSegment},
		"/a/..;/b":                         {"", errCharacter},
		"/a;x=y/b":                         {"", errCharacter},
		"/a%3bx":                           {"", errEscape},
		"/a%2fb":                           {"", errEscape},
		"/a%2Fb":                           {"", errEscape},
		"/a%5cb":                           {"", errEscape},
		`/a\b`:                             {"", errCharacter},
		"/a%252e":                          {"", errEscape},
		"/a%00":                            {"", errEscape},
		"/a%0d%0a":                         {"", errEscape},
		"/a%7f":                            {"", errEscape},
		"/a%3fb":                           {"", errEscape},
		"/a%23b":                           {"", errEscape},
		"/a#b":                             {"", errCharacter},
		"/a?b#c":                           {"", errQuery},
		"/a?b c":                           {"", errQuery},
		"/a?\x80":                          {"", errQuery},
		"/a b":                             {"", errCharacter},
		"/a\tb":                            {"", errCharacter},
		"/a\x00":                           {"", errCharacter},
		"/ü":                               {"", errCharacter},
		"/a|b":                             {"", errCharacter},
		"/%":                               {"", errEscape},
		"/%4":                              {"", errEscape},
		"/%zz":                             {"", errEscape},
		"/%u0041":                          {"", errEscape},
		"/%c0%af":                          {"", errUTF8},
		"/%ff":                             {"", errUTF8},
		"/%ed%a0%80":                       {"", errUTF8},
		"/" + strings.Repeat("a", maxPath): {"", errLong},
	} {
		got, err := parseTarget(s)
		if !errors.Is(err, want.err) || got.path != want.path {
			t.Errorf("%.40q: got %q, %v, want %q, %v", s, got.path, err, want.path, want.err)
		}
	}
}

// What is let through has one reading: decoding, cleaning and cutting it up again change nothing.
func FuzzTarget(f *testing.F) {
	for _, s := range []string{"/", "/a/b?c", "/%2e%2e/a", "//a", "/a;b", "/%c3%bc", "/a%2f", "/a/../b?x#y", `\a`, "/a%00", "/%25", "/a/.%2e/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := parseTarget(s)
		if err != nil {
			if got != (target{}) {
				t.Fatalf("%q: %v, and yet %+v", s, err, got)
			}
			return
		}
		if !utf8.ValidString(got.path) || strings.ContainsAny(got.path, "\\;?#%\x00\r\n\x7f") || !strings.HasPrefix(got.path, "/") {
			t.Fatalf("%q: the path %q has what it must not", s, got.path)
		}
		if clean := path.Clean(got.path); clean != got.path && clean+"/" != got.path {
			t.Fatalf("%q: %q is cleaned to %q", s, got.path, clean)
		}
		if again, err := url.PathUnescape(got.path); err != nil || again != got.path {
			t.Fatalf("%q: %q decodes once more to %q, %v", s, got.path, again, err)
		}
		u, err := url.ParseRequestURI(s)
		if err != nil || u.Path != got.path || u.RawQuery != got.query {
			t.Fatalf("%q: net/url reads %+v, %v, we read %+v", s, u, err, got)
		}
		if sent := (&url.URL{Path: got.path, RawPath: got.raw}).EscapedPath(); sent != got.raw {
			t.Fatalf("%q: the server behind would be sent %q", s, sent)
		}
		if strings.Count(got.raw, "/") != strings.Count(got.path, "/") {
			t.Fatalf("%q: %q has other segments than %q", s, got.path, got.raw)
		}
	})
}
