package httpio

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	urlencoded = "application/x-www-form-urlencoded"
	multi      = "multipart/form-data; boundary=XX"
)

func formRequest(contentType, body string) *Request {
	return &Request{Header: http.Header{"Content-Type": {contentType}}, Body: []byte(body)}
}

func part(name, value string) string {
	return "--XX\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n"
}

func TestForm(t *testing.T) {
	webkit := strings.ReplaceAll(part("refresh", "t"), "XX", "----WebKitFormBoundaryA1") + "------WebKitFormBoundaryA1--\r\n"
	for _, tc := range []struct {
		name, contentType, body string
		want                    url.Values
	}{
		{"urlencoded", urlencoded, "refresh=a%2Bb+c&x=1&x=2", url.Values{"refresh": {"a+b c"}, "x": {"1", "2"}}},
		{"urlencoded with charset", urlencoded + "; charset=utf-8", "refresh=a", url.Values{"refresh": {"a"}}},
		{"label in capitals", "Application/X-WWW-Form-Urlencoded", "refresh=a", url.Values{"refresh": {"a"}}},
		{"label with a bad parameter", urlencoded + "; charset", "refresh=a", url.Values{"refresh": {"a"}}},
		{"without the field", urlencoded, "other=a", url.Values{"other": {"a"}}},
		{"no body", urlencoded, "", url.Values{}},
		{"no body and no type", "", "", url.Values{}},
		{"multipart", multi, part("refresh", "a+b%20") + part("x", "") + "--XX--\r\n", url.Values{"refresh": {"a+b%20"}, "x": {""}}},
		{"multipart without parts", multi, "--XX--\r\n", url.Values{}},
		{"file is left out", multi, "--XX\r\nContent-Disposition: form-data; name=\"refresh\"; filename=\"f\"\r\n\r\nx\r\n--XX--", url.Values{}},
		{"multipart without a boundary", "multipart/form-data", part("refresh", "t") + "--XX--", url.Values{"refresh": {"t"}}},
		{"multipart under urlencoded", urlencoded, webkit, url.Values{"refresh": {"t"}}},
		{"urlencoded that starts like multipart", urlencoded, "--XX\n&refresh=t", url.Values{"--XX\n": {""}, "refresh": {"t"}}},
		{"64 fields", urlencoded, strings.Repeat("a=1&", 63) + "a=1", url.Values{"a": strings.Split(strings.Repeat("1", 64), "")}},
		{"longest field", urlencoded, "a=" + strings.Repeat("x", maxField), url.Values{"a": {strings.Repeat("x", maxField)}}},
		{"longest part", multi, part("a", strings.Repeat("x", maxField)) + "--XX--", url.Values{"a": {strings.Repeat("x", maxField)}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := Form(formRequest(tc.contentType, tc.body), "refresh")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFormRefuses(t *testing.T) {
	const refresh = "refresh"
	for _, tc := range []struct {
		name, contentType, body string
		err                     error
		text                    string
	}{
		{"other type", "text/plain", "refresh=a", ErrMediaType, "body is neither urlencoded nor multipart form data"},
		{"no type", "", "refresh=a", ErrMediaType, "body is neither urlencoded nor multipart form data"},
		{"type that is none", "/;;", "refresh=a", ErrMediaType, "body is neither urlencoded nor multipart form data"},
		{"bad escape", urlencoded, "refresh=%zz" + canary, ErrForm, "malformed form body: bad escape or separator"},
		{"semicolon", urlencoded, "refresh=a;b", ErrForm, "malformed form body: bad escape or separator"},
		{"repeated", urlencoded, "refresh=a&refresh=b", ErrRepeated, "form field is given more than once: refresh"},
		{"repeated part", multi, part(refresh, "a") + part(refresh, "b") + "--XX--", ErrRepeated, "form field is given more than once: refresh"},
		{"65 fields", urlencoded, strings.Repeat("a=1&", 65), ErrFormLimit, "form body has too many or too long fields"},
		{"65 parts", multi, strings.Repeat(part("a", ""), 65) + "--XX--", ErrFormLimit, "form body has too many or too long fields"},
		{"long field", urlencoded, "a=" + strings.Repeat("x", maxField+1), ErrFormLimit, "form body has too many or too long fields"},
		{"long name", urlencoded, strings.Repeat("x", maxField+1) + "=", ErrFormLimit, "form body has too many or too long fields"},
		{"long part", multi, part("a", strings.Repeat("x", maxField+1)) + "--XX--", ErrFormLimit, "form body has too many or too long fields"},
		{"long part header", multi, part(strings.Repeat("x", maxPartHeader), "") + "--XX--", ErrFormLimit, "form body has too many or too long fields"},
		{"cut off in a header", multi, "--XX\r\nContent-Disp", ErrForm, "malformed form body: bad multipart structure"},
		{"cut off after a value", multi, part(refresh, "a"), ErrForm, "malformed form body: multipart field without an end"},
		{"other boundary", multi, "--YY--\r\n", ErrForm, "malformed form body: bad multipart structure"},
		{"no boundary anywhere", "multipart/form-data", "refresh=a", ErrForm, "malformed form body: no usable multipart boundary"},
		{"long boundary", "multipart/form-data; boundary=" + strings.Repeat("x", 71), "x", ErrForm, "malformed form body: no usable multipart boundary"},
		{"nameless part", multi, "--XX\r\nContent-Disposition: form-data\r\n\r\na\r\n--XX--", ErrForm, "malformed form body: multipart field without a name"},
		{"part that is no field", multi, "--XX\r\n\r\na\r\n--XX--", ErrForm, "malformed form body: multipart field without a name"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			form, err := Form(formRequest(tc.contentType, tc.body), refresh)
			if !errors.Is(err, tc.err) || form != nil || fmt.Sprint(err) != tc.text {
				t.Errorf("got %v, %q; want %q", form, err, tc.text)
			}
		})
	}
}

func TestSniffMultipart(t *testing.T) {
	for _, tc := range []struct{ name, body, want string }{
		{"browser", "------WebKitFormBoundaryA1\r\nContent", "----WebKitFormBoundaryA1"},
		{"bare line feed", "--b'()+_,-./:=?\nx", "b'()+_,-./:=?"},
		{"form", "refresh=a\r\n", ""},
		{"one line only", "--b", ""},
		{"nothing after the dashes", "--\r\n", ""},
		{"blank inside", "--a b\r\n", ""},
		{"ampersand inside", "--a&b\r\n", ""},
		{"71 characters", "--" + strings.Repeat("x", 71) + "\r\n", ""},
		{"empty", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := SniffMultipart([]byte(tc.body)); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func FuzzFormURLEncoded(f *testing.F) {
	f.Add("refresh=a&x=%20")
	f.Add("--XX\r\nContent-Disposition: form-data; name=refresh\r\n\r\na\r\n--XX--")
	f.Add("--=&;%zz")
	f.Fuzz(func(t *testing.T, body string) { checkForm(t, urlencoded, body) })
}

func FuzzFormMultipart(f *testing.F) {
	f.Add(multi, part("refresh", "a")+"--XX--")
	f.Add("multipart/form-data", part("refresh", "a")+part("refresh", "b")+"--XX--")
	f.Add("multipart/form-data; boundary=\"\"", "--\n")
	f.Fuzz(checkForm)
}

// checkForm holds a decoded body to what Form promises.
func checkForm(t *testing.T, contentType, body string) {
	form, err := Form(formRequest(contentType, body), "refresh")
	if (form == nil) != (err != nil) {
		t.Fatalf("form %v with error %v", form, err)
	}
	n := 0
	for name, values := range form {
		n += len(values)
		for _, value := range values {
			if len(name) > maxField || len(value) > maxField {
				t.Error("a field over the limit")
			}
		}
	}
	if n > maxFields || len(form["refresh"]) > 1 {
		t.Errorf("%d fields, %d of them refresh", n, len(form["refresh"]))
	}
}
