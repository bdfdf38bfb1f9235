package httpio

import (
	"encoding/json"
	"testing"
)

func TestASCII(t *testing.T) {
	for text, want := range map[string]string{
		`{"a":"b~ "}`: `{"a":"b~ "}`,
		`"é€"`:        `"\u00e9\u20ac"`,
		`"𝄞"`:         `"\ud834\udd1e"`,
		"\"\x7f\"":    `"\u007f"`,
		"":            "",
	} {
		got := ASCII([]byte(text))
		if string(got) != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
		var before, after any
		if text != "" && (json.Unmarshal([]byte(text), &before) != nil || json.Unmarshal(got, &after) != nil || before != nil && after == nil) {
			t.Errorf("%s is no longer the same JSON: %s", text, got)
		}
	}
}
