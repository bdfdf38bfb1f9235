package orcid

import (
	"errors"
	"testing"
)

func TestParse(t *testing.T) {
	const josiah, x = "0000-0002-1825-0097", "0000-0002-9079-593X"
	for text, want := range map[string]string{
		josiah: josiah, "0000000218250097": josiah, "https://orcid.org/" + josiah: josiah, "http://orcid.org/" + josiah + "/": josiah,
		" HTTPS://ORCID.org/" + josiah + "\n": josiah, "orcid.org/" + josiah: josiah, "https://www.orcid.org/" + josiah: josiah,
		x: x, "0000-0002-9079-593x": x, "000000029079593x": x, "0009-0000-0000-0009": "0009-0000-0000-0009",
	} {
		if got, err := Parse(text); err != nil || got != want {
			t.Errorf("Parse(%q) = %q, %v, want %q", text, got, err, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]error{
		"": ErrForm, "0000": ErrForm, "0000-0002-1825-009": ErrForm, "0000-0002-1825-00977": ErrForm, "0000 0002 1825 0097": ErrForm,
		"0000-0002-1825-X097": ErrForm, "0000_0002_1825_0097": ErrForm, "https://example.org/0000-0002-1825-0097": ErrForm,
		"0000-0002-1825-009７": ErrForm, "00-000002-1825-0097": ErrForm, "0000-0002-1825-0097?x": ErrForm,
		"0000-0002-1825-0098": ErrCheck, "0000-0002-1825-009X": ErrCheck, "0000-0002-8125-0097": ErrCheck, "0000-0002-9079-5930": ErrCheck,
		"0000-0000-0000-0042": ErrCheck,
	} {
		if got, err := Parse(text); !errors.Is(err, want) || got != "" {
			t.Errorf("Parse(%q) = %q, %v, want %v", text, got, err, want)
		}
	}
}

// Each digit mistyped, and each pair of neighbours in the wrong order, is noticed.
func TestCheckNoticesSlips(t *testing.T) {
	const id = "0000-0002-9079-593X"
	for i := range len(id) - 1 {
		for d := byte('0'); d <= '9'; d++ {
			wrong := []byte(id)
			if wrong[i] == '-' || wrong[i] == d {
				continue
			}
			wrong[i] = d
			if _, err := Parse(string(wrong)); !errors.Is(err, ErrCheck) {
				t.Errorf("%s: %v", wrong, err)
			}
		}
		swapped := []byte(id)
		if next := i + 1; next < len(id)-1 && swapped[i] != '-' && swapped[next] != '-' && swapped[i] != swapped[next] {
			swapped[i], swapped[next] = swapped[next], swapped[i]
			if _, err := Parse(string(swapped)); !errors.Is(err, ErrCheck) {
				t.Errorf("%s: %v", swapped, err)
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("https://orcid.org/0000-0002-1825-0097")
	f.Add("000000029079593x")
	f.Fuzz(func(t *testing.T, text string) {
		id, err := Parse(text)
		if err != nil {
			return
		}
		if again, err := Parse(id); err != nil || again != id || !Is(id) {
			t.Errorf("%q gives %q, which gives %q, %v", text, id, again, err)
		}
	})
}
