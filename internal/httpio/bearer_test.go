package httpio

import (
	"errors"
	"net/http"
	"strings"
	"testing"
)

func TestBearer(t *testing.T) {
	full := strings.Repeat("x", maxBearer)
	for _, tc := range []struct {
		name   string
		values []string
		token  string
		err    error
	}{
		{"good", []string{"Bearer a.b.c"}, "a.b.c", nil},
		{"more blanks", []string{" Bearer \t a.b.c  "}, "a.b.c", nil},
		{"longest", []string{"Bearer " + full}, full, nil},
		{"absent", nil, "", ErrNoHeader},
		{"empty", []string{""}, "", ErrNoHeader},
		{"blank", []string{"  "}, "", ErrNoHeader},
		{"lower case", []string{"bearer a.b.c"}, "", ErrNoHeader},
		{"other scheme", []string{"Basic a"}, "", ErrNoHeader},
		{"glued", []string{"Bearera.b.c"}, "", ErrNoHeader},
		{"alone", []string{"Bearer"}, "", ErrBearerForm},
		{"alone with blanks", []string{"Bearer   "}, "", ErrBearerForm},
		{"three words", []string{"Bearer a b"}, "", ErrBearerForm},
		{"too long", []string{"Bearer " + full + "x"}, "", ErrBearerLong},
		{"two headers", []string{"Bearer a", "Bearer a"}, "", ErrManyHeaders},
		{"two headers, one empty", []string{"", "Bearer a"}, "", ErrManyHeaders},
	} {
		t.Run(tc.name, func(t *testing.T) {
			token, err := Bearer(http.Header{"Authorization": tc.values})
			if token != tc.token || !errors.Is(err, tc.err) {
				t.Errorf("got %.40q, %v; want %.40q, %v", token, err, tc.token, tc.err)
			}
		})
	}
}

func TestBearerAllocatesNothing(t *testing.T) {
	for _, value := range []string{"Bearer a.b.c", "Bearer " + strings.Repeat(".", 1e6), "Bearer" + strings.Repeat(" ", 1e6), "Bearer" + strings.Repeat(" x", 1e6)} {
		h := http.Header{"Authorization": {value}}
		if n := testing.AllocsPerRun(3, func() { _, _ = Bearer(h) }); n != 0 {
			t.Errorf("%.10q… of %d bytes: %v allocations", value, len(value), n)
		}
	}
}

func FuzzBearer(f *testing.F) {
	f.Add("Bearer a.b.c")
	f.Add("Bearer  a b")
	f.Add("\tBearer\v\fx")
	f.Fuzz(func(t *testing.T, value string) {
		token, err := Bearer(http.Header{"Authorization": {value}})
		if (token == "") != (err != nil) {
			t.Errorf("%q: %q, %v", value, token, err)
		}
		if err == nil && strings.Join(strings.FieldsFunc(value, asciiBlank), " ") != "Bearer "+token {
			t.Errorf("%q gave %q", value, token)
		}
	})
}

func asciiBlank(r rune) bool { return strings.ContainsRune(" \t\r\n\v\f", r) }
