package httpio

import (
	"fmt"
	"unicode/utf16"
)

// ASCII escapes as \uXXXX what is outside printable ASCII in a compact JSON text, where
// it can only stand inside strings. Without any it returns the text itself.
func ASCII(text []byte) []byte {
	if isASCII(text) {
		return text
	}
	out := make([]byte, 0, len(text))
	for _, c := range string(text) {
		if c >= ' ' && c <= '~' {
			out = append(out, byte(c))
		} else {
			out = appendEscape(out, c)
		}
	}
	return out
}

func isASCII(text []byte) bool {
	for _, c := range text {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

// appendEscape writes c as JSON's \uXXXX, twice where one is too short.
func appendEscape(b []byte, c rune) []byte {
	if c > 0xffff {
		high, low := utf16.EncodeRune(c)
		return fmt.Appendf(b, `\u%04x\u%04x`, high, low)
	}
	return fmt.Appendf(b, `\u%04x`, c)
}
