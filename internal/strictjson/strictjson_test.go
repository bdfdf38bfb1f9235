package strictjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseKeepsOrderNumbersAndRaw(t *testing.T) {
	got, err := Parse([]byte(` { "b" : 1.50E+2, "a":[true,false,null,"x\u00e9\ud83d\ude00\n"], "ſ":{} } `), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	want := &Object{Members: []Member{
		{Name: "b", Value: json.Number("1.50E+2"), Raw: []byte("1.50E+2"), Offset: 3},
		{Name: "a", Value: []any{true, false, nil, "xé😀\n"}, Raw: []byte(`[true,false,null,"x\u00e9\ud83d\ude00\n"]`), Offset: 18},
		{Name: "ſ", Value: &Object{}, Raw: []byte("{}"), Offset: 65},
	}}
	if diff := cmp.Diff(any(want), got); diff != "" {
		t.Error(diff)
	}
}

func TestParseScalars(t *testing.T) {
	for text, want := range map[string]any{
		`null`: nil, `true`: true, `false`: false, `""`: "", `"a"`: "a", `[]`: []any{},
		`0`: json.Number("0"), `-0`: json.Number("-0"), `1e400`: json.Number("1e400"), `-12.5e-7`: json.Number("-12.5e-7"),
		`"\"\\\/\b\f\n\r\t\u0000"`: "\"\\/\b\f\n\r\t\x00", `"\uFFFD` + "\ufffd" + `"`: "\ufffd\ufffd",
	} {
		got, err := Parse([]byte(text), Limits{})
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	many := func(n int) string { return "[" + strings.Repeat("0,", n-1) + "0]" }
	wide := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"k%d":0,`, i)
		}
		return "{" + b.String() + `"k0":1}`
	}
	for _, tc := range []struct {
		name, text string
		kind       error
		offset     int
	}{
		{"empty", ``, ErrSyntax, 0},
		{"only space", ` `, ErrSyntax, 1},
		{"byte order mark", "\ufeff{}", ErrSyntax, 0},
		{"trailing value", `{} {}`, ErrSyntax, 3},
		{"trailing comma in object", `{"a":1,}`, ErrSyntax, 7},
		{"trailing comma in array", `[1,]`, ErrSyntax, 3},
		{"comment", `{/**/}`, ErrSyntax, 1},
		{"single quotes", `{'a':1}`, ErrSyntax, 1},
		{"bare name", `{a:1}`, ErrSyntax, 1},
		{"no colon", `{"a" 1}`, ErrSyntax, 5},
		{"open object", `{"a":1`, ErrSyntax, 6},
		{"open array", `[1`, ErrSyntax, 2},
		{"open string", `"a`, ErrSyntax, 2},
		{"open string after escape", `"\n`, ErrSyntax, 3},
		{"wrong bracket", `[1}`, ErrSyntax, 2},
		{"NaN", `NaN`, ErrSyntax, 0},
		{"short word", `tru`, ErrSyntax, 0},
		{"wrong case word", `True`, ErrSyntax, 0},
		{"plus sign", `+1`, ErrSyntax, 0},
		{"leading zero", `01`, ErrSyntax, 1},
		{"lone minus", `-`, ErrSyntax, 1},
		{"no fraction", `1.`, ErrSyntax, 2},
		{"no exponent", `1e+`, ErrSyntax, 3},
		{"hex", `0x10`, ErrSyntax, 1},
		{"NUL after value", "{}\x00", ErrSyntax, 2},
		{"newline in string", "\"a\nb\"", ErrSyntax, 2},
		{"control in string", "\"a\x1f\"", ErrSyntax, 2},
		{"invalid UTF-8", "\"a\xff\"", ErrSyntax, 2},
		{"overlong UTF-8", "\"\xc0\xaf\"", ErrSyntax, 1},
		{"surrogate as UTF-8", "\"\xed\xa0\x80\"", ErrSyntax, 1},
		{"invalid UTF-8 after escape", "\"\\n\xff\"", ErrSyntax, 3},
		{"unknown escape", `"\x41"`, ErrSyntax, 2},
		{"lone high surrogate", `"\ud800"`, ErrSyntax, 1},
		{"lone low surrogate", `"\udc00"`, ErrSyntax, 1},
		{"two high surrogates", `"\ud800\ud800"`, ErrSyntax, 1},
		{"low before high", `"\udc00\ud800"`, ErrSyntax, 1},
		{"short hex", `"\u12"`, ErrSyntax, 1},
		{"bad hex", `"\u12g4"`, ErrSyntax, 1},
		{"duplicate", `{"a":1,"a":1}`, ErrDuplicate, 7},
		{"duplicate after unescaping", `{"alg":1,"\u0061lg":2}`, ErrDuplicate, 9},
		{"duplicate below", `{"a":[{"b":{"c":1,"c":2}}]}`, ErrDuplicate, 18},
		{"duplicate in a wide object", wide(100), ErrDuplicate, len(wide(100)) - 7},
		{"too deep", strings.Repeat("[", 33) + strings.Repeat("]", 33), ErrTooDeep, 32},
		{"too deep mixed", strings.Repeat(`{"a":[`, 100), ErrTooDeep, 96},
		{"too many values", many(4097), ErrTooLarge, 1 + 2*4096},
		{"too long", `"` + strings.Repeat("a", 1<<20) + `"`, ErrTooLarge, 1 << 20},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Parse([]byte(tc.text), Limits{})
			var place *Error
			if !errors.Is(err, tc.kind) || !errors.As(err, &place) {
				t.Fatalf("got %v, want %v", err, tc.kind)
			}
			if place.Offset != tc.offset {
				t.Errorf("offset %d, want %d (%v)", place.Offset, tc.offset, err)
			}
		})
	}
}

func TestLimitsAreReached(t *testing.T) {
	for name, text := range map[string]string{
		"depth":   strings.Repeat("[", 32) + strings.Repeat("]", 32),
		"members": "[" + strings.Repeat("0,", 4095) + "0]",
		"bytes":   `"` + strings.Repeat("a", 1<<20-2) + `"`,
		"breadth": "[" + strings.Repeat("[],", 1000) + "[]]",
	} {
		if _, err := Parse([]byte(text), Limits{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Parse([]byte(`[[1]]`), Limits{Depth: 1}); !errors.Is(err, ErrTooDeep) {
		t.Errorf("own depth: %v", err)
	}
}

func TestParseObject(t *testing.T) {
	for _, text := range []string{`[]`, `"x"`, `null`, `1`} {
		if _, err := ParseObject([]byte(text), Limits{}); !errors.Is(err, ErrNotObject) {
			t.Errorf("%s: %v", text, err)
		}
	}
	o, err := ParseObject([]byte(`{"a":"b","A":1}`), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if v, ok := o.Get("a"); v != "b" || !ok {
		t.Errorf("a = %v %v", v, ok)
	}
	if v, ok := o.Get("b"); v != nil || ok {
		t.Errorf("b = %v %v", v, ok)
	}
}

func TestOddCase(t *testing.T) {
	for _, tc := range []struct {
		text string
		want string
	}{
		{`{"sub":1,"kid":2,"other":3}`, ""},
		{`{"sub":1,"SUBJECT":2}`, ""},
		{`{"sub":1,"Sub":2}`, "member name differs only in letter case: expected sub at byte 9"},
		{`{"\u017fub":2}`, "member name differs only in letter case: expected sub at byte 1"},
		{`{"\u212aid":2}`, "member name differs only in letter case: expected kid at byte 1"},
	} {
		o, err := ParseObject([]byte(tc.text), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		err = o.OddCase("sub", "kid")
		if tc.want == "" {
			if err != nil {
				t.Errorf("%s: %v", tc.text, err)
			}
			continue
		}
		if !errors.Is(err, ErrOddCase) || err.Error() != tc.want {
			t.Errorf("%s: %v, want %s", tc.text, err, tc.want)
		}
	}
}

// TestErrorsQuoteNothing keeps secrets of a refused body out of logs.
func TestErrorsQuoteNothing(t *testing.T) {
	_, err := Parse([]byte(`{"canary":1,"canary":2}`), Limits{})
	if want := "member name appears twice at byte 12"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// plain turns our values into those of encoding/json.
func plain(v any) any {
	switch v := v.(type) {
	case *Object:
		m := map[string]any{}
		for _, member := range v.Members {
			m[member.Name] = plain(member.Value)
		}
		return m
	case []any:
		list := []any{}
		for _, e := range v {
			list = append(list, plain(e))
		}
		return list
	}
	return v
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"alg":"ES256","typ":"JWT"}`, `{"a":[1,-2.5e+3,{"b":null}],"c":"\ud83d\ude00\n"}`, `[`, `{"a":1,"a":2}`,
		"\"\xff\"", `"\ud800"`, `1e400`, ` [ ] `, `{"a" : tru}`, "\ufeff1",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := Parse(data, Limits{})
		if err != nil {
			var place *Error
			if !errors.As(err, &place) || place.Offset < 0 || place.Offset > len(data) {
				t.Fatalf("no place in the text: %v", err)
			}
			return
		}
		dec := json.NewDecoder(bytes.NewReader(data))
		dec.UseNumber()
		var want any
		if err := dec.Decode(&want); err != nil {
			t.Fatalf("accepted what encoding/json refuses: %v", err)
		}
		if diff := cmp.Diff(want, plain(got)); diff != "" {
			t.Fatal(diff)
		}
	})
}

func BenchmarkParseClaims(b *testing.B) {
	claims := []byte(`{"sub":"EDI-1234567890abcdef","cn":"A Person","email":"a@example.org","iss":"https://auth.example.org","iat":1700000000,"nbf":1700000000,"exp":1700028800,"links":["https://orcid.org/0000-0002-1825-0097"]}`)
	for b.Loop() {
		if _, err := Parse(claims, Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}
