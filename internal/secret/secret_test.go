package secret

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

const canary = "canary-8f2c61"

var (
	_ fmt.Stringer           = Text{}
	_ fmt.GoStringer         = Text{}
	_ encoding.TextMarshaler = Text{}
	_ slog.LogValuer         = Text{}
)

type holder struct {
	Public Text
	hidden Text
	Inner  *holder
}

func TestTextNeverPrintsItsSecret(t *testing.T) {
	s := New(canary)
	h := holder{Public: s, hidden: s, Inner: &holder{hidden: s}}
	values := map[string]any{
		"value": s, "pointer": &s, "struct": h, "struct pointer": &h,
		"slice": []Text{s}, "map key": map[Text]int{s: 1}, "map value": map[string]Text{"k": s},
	}
	for name, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%p", "%t"} {
			t.Run(name+" "+verb, func(t *testing.T) { clean(t, fmt.Sprintf(verb, v)) })
		}
		t.Run(name+" slog", func(t *testing.T) { clean(t, logged(v)) })
	}
}

// logged is v as an attribute of both of slog's own handlers.
func logged(v any) string {
	var out bytes.Buffer
	slog.New(slog.NewTextHandler(&out, nil)).Info("message", "key", v)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("message", "key", v)
	return out.String()
}

func clean(t *testing.T, got string) {
	t.Helper()
	hex := fmt.Sprintf("%x", canary)
	if strings.Contains(got, canary) || strings.Contains(strings.ToLower(got), hex) {
		t.Errorf("the secret is shown: %s", got)
	}
}

func TestTextForms(t *testing.T) {
	s, empty := New(canary), New("")
	tests := []struct{ name, got, want string }{
		{"v", fmt.Sprintf("%v", s), "[redacted]"},
		{"plus v", fmt.Sprintf("%+v", s), "[redacted]"},
		{"sharp v", fmt.Sprintf("%#v", s), "[redacted]"},
		{"s", fmt.Sprintf("<%s>", s), "<[redacted]>"},
		{"q", fmt.Sprintf("%q", s), `"[redacted]"`},
		{"empty", fmt.Sprintf("%v", empty), ""},
		{"empty sharp v", fmt.Sprintf("%#v", empty), ""},
		{"json", asJSON(t, s), `"[redacted]"`},
		{"json empty", asJSON(t, empty), `""`},
		{"json field", asJSON(t, holder{Public: s, hidden: s}), `{"Public":"[redacted]","Inner":null}`},
		{"json map key", asJSON(t, map[Text]int{s: 1}), `{"[redacted]":1}`},
		{"log value", s.LogValue().String(), "[redacted]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.got != tt.want {
				t.Errorf("got %s, want %s", tt.got, tt.want)
			}
		})
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestTextReveal(t *testing.T) {
	if got := New(canary).Reveal(); got != canary {
		t.Errorf("Reveal is %q, want %q", got, canary)
	}
	if got := (Text{}).Reveal(); got != "" {
		t.Errorf("Reveal of the zero value is %q", got)
	}
	if New(canary).IsZero() || !New("").IsZero() || !(Text{}).IsZero() {
		t.Error("IsZero confuses an empty secret with a full one")
	}
}

func TestRandomHasItsLengthAndDiffers(t *testing.T) {
	a, b := Random(32), Random(32)
	if len(a) != 32 || len(b) != 32 || bytes.Equal(a, b) || bytes.Equal(a, make([]byte, 32)) {
		t.Error("Random gave equal, empty or short bytes")
	}
}
