package httpio

import (
	"encoding/json"
	"encoding/xml"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestJSON(t *testing.T) {
	type pair struct {
		Access  string `json:"access"`
		Refresh string `json:"refresh"`
	}
	for _, tc := range []struct {
		name string
		v    any
		want string
	}{
		{"struct", pair{"<a>&é", "b"}, `{"access":"<a>&é","refresh":"b"}`},
		{"object keeps its order", Object{{"z", "<é>"}, {"a", []any{1, nil, true, Object{{"k", []string{"&"}}}}}}, `{"z":"<é>","a":[1,null,true,{"k":["&"]}]}`},
		{"object inside a struct", struct{ O Object }{Object{{"<", 1}}}, `{"O":{"<":1}}`},
		{"empty object", Object{}, `{}`},
		{"line separator", "\u2028", `"\u2028"`},
		{"list", map[string][]string{"refresh": {"This field is required."}}, `{"refresh":["This field is required."]}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, string(JSON(tc.v))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestJSONIsThatOfEncodingJSON: what is written without it, and what is left to it, cannot be told apart.
func TestJSONIsThatOfEncodingJSON(t *testing.T) {
	var ascii strings.Builder
	for c := range byte(0x80) {
		ascii.WriteByte(c)
	}
	for _, v := range []any{
		nil, true, false, 7, int64(math.MinInt64), "", ascii.String(), "Zoë <a>\u2028\U0001F600", "\xff",
		[]string(nil), []string{}, []string{"", "é\"", "<&>"}, []any(nil), []any{nil, "a"},
		[]Object(nil), []Object{}, []Object{{{"a", "b"}}, {}}, Object(nil), Object{{"é\n", []string{"x"}}},
		json.RawMessage(nil), json.RawMessage(`{"a":[1.50,"<é\u0020>"]}`), json.RawMessage("{ \"a b\" :\r[\t1,\n2 ] }"),
	} {
		var want strings.Builder
		enc := json.NewEncoder(&want)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(v); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(strings.TrimSuffix(want.String(), "\n"), string(JSON(v))); diff != "" {
			t.Errorf("%T: %s", v, diff)
		}
	}
}

// everyKind holds each kind of value; the texts below are what Python 3.11 writes for it.
var everyKind = Object{
	{"n", nil}, {"t", true}, {"f", false}, {"i", -42}, {"j", int64(1) << 40},
	{"l", []any{"a", Object{{"k", "v"}, {"e", Object{}}}, []any{}}},
	{"s", []string{}}, {"p", []string{"x", "y"}}, {"o", Object{{"x", []any{1, "y"}}}},
}

func TestASCIIJSON(t *testing.T) {
	for _, tc := range []struct {
		name string
		o    Object
		want string
	}{
		{"empty", Object{}, "{}"},
		{"flat", Object{{"msg", "ok"}, {"method", "getTokenByKey"}}, "{\n  \"msg\": \"ok\",\n  \"method\": \"getTokenByKey\"\n}"},
		{"escapes", Object{{"é", "Zoë \"q\" <a> & 'b' \\ / \x7f\u2028\U0001F600\t\n\r\b\f\x01"}},
			"{\n  \"\\u00e9\": \"Zo\\u00eb \\\"q\\\" <a> & 'b' \\\\ / \\u007f\\u2028\\ud83d\\ude00\\t\\n\\r\\b\\f\\u0001\"\n}"},
		{"bytes that are no UTF-8", Object{{"a", "\xff"}}, "{\n  \"a\": \"\\ufffd\"\n}"},
		{"every kind", everyKind, `{
  "n": null,
  "t": true,
  "f": false,
  "i": -42,
  "j": 1099511627776,
  "l": [
    "a",
    {
      "k": "v",
      "e": {}
    },
    []
  ],
  "s": [],
  "p": [
    "x",
    "y"
  ],
  "o": {
    "x": [
      1,
      "y"
    ]
  }
}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := ASCIIJSON(tc.o)
			if diff := cmp.Diff(tc.want, string(got)); diff != "" {
				t.Error(diff)
			}
			if !json.Valid(got) {
				t.Error("not valid JSON")
			}
		})
	}
}

func TestXMLResult(t *testing.T) {
	const head, tail = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<result>\n", "</result>\n"
	for _, tc := range []struct {
		name string
		o    Object
		want string
	}{
		{"flat", Object{{"msg", "ok"}, {"pasta-token", "a-b="}, {"method", "m"}}, "  <msg>ok</msg>\n  <pasta-token>a-b=</pasta-token>\n  <method>m</method>\n"},
		{"escapes", Object{{"msg", "Zoë \"q\" <a> & 'b'\t\\"}}, "  <msg>Zoë &quot;q&quot; &lt;a&gt; &amp; 'b'\t\\</msg>\n"},
		{"not allowed in XML", Object{{"msg", "a\x00\x01\x0b\ufffe\uffffb\U0001F600"}}, "  <msg>ab\U0001F600</msg>\n"},
		{"empty", Object{{"msg", ""}}, "  <msg/>\n"},
		{"every kind", everyKind, `  <n>None</n>
  <t>True</t>
  <f>False</f>
  <i>-42</i>
  <j>1099511627776</j>
  <l>['a', {'k': 'v', 'e': {}}, []]</l>
  <s>[]</s>
  <p>['x', 'y']</p>
  <o>{'x': [1, 'y']}</o>
`},
		{"quotes", Object{{"q", []string{"it's", `"`, `it's "x"`, "\x01\n\t\r\u00a0é\u2028\U000e0001\\"}}},
			"  <q>[&quot;it's&quot;, '&quot;', 'it\\'s &quot;x&quot;', '\\x01\\n\\t\\r\\xa0é\\u2028\\U000e0001\\\\']</q>\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := string(XMLResult(tc.o))
			if diff := cmp.Diff(head+tc.want+tail, got); diff != "" {
				t.Error(diff)
			}
			if err := readXML(got); err != nil {
				t.Errorf("not well-formed: %v", err)
			}
		})
	}
}

func readXML(s string) error {
	for d := xml.NewDecoder(strings.NewReader(s)); ; {
		if _, err := d.Token(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func TestWrongTypesPanicWithoutTheirValue(t *testing.T) {
	for _, tc := range []struct {
		name   string
		encode func()
		want   string
	}{
		{"JSON", func() { JSON(math.Inf(1)) }, "httpio: a float64 has no JSON form"},
		{"ASCIIJSON", func() { ASCIIJSON(Object{{"a", 1.5}}) }, "httpio: a float64 is no value of an Object"},
		{"XMLResult", func() { XMLResult(Object{{"a", []byte(canary)}}) }, "httpio: a []uint8 is no value of an Object"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			defer func() {
				if got := recover(); got != tc.want {
					t.Errorf("panicked with %v, want %q", got, tc.want)
				}
			}()
			tc.encode()
		})
	}
}

func TestServerLimits(t *testing.T) {
	srv := Server("127.0.0.1:0", http.NotFoundHandler())
	got := []time.Duration{srv.ReadHeaderTimeout, srv.ReadTimeout, srv.WriteTimeout, srv.IdleTimeout}
	want := []time.Duration{10 * time.Second, 60 * time.Second, 60 * time.Second, 120 * time.Second}
	if diff := cmp.Diff(want, got); diff != "" || srv.MaxHeaderBytes != 64<<10 || srv.Addr != "127.0.0.1:0" {
		t.Errorf("%s, header limit %d, address %s", diff, srv.MaxHeaderBytes, srv.Addr)
	}
}
