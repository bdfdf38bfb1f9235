package httpio

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// pythonText is Python's str(v): a string is itself, everything else its repr.
func pythonText(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return pythonRepr(v)
}

func pythonRepr(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case string:
		return pythonQuote(v)
	case Object:
		return pythonDict(v)
	}
	if n, ok := integer(v); ok {
		return strconv.FormatInt(n, 10)
	}
	var parts []string
	for _, item := range list(v) {
		parts = append(parts, pythonRepr(item))
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

func pythonDict(o Object) string {
	var parts []string
	for _, f := range o {
		parts = append(parts, pythonQuote(f.Name)+": "+pythonRepr(f.Value))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// pythonQuote prefers single quotes, as Python does unless only they would need escapes.
func pythonQuote(s string) string {
	quote := '\''
	if strings.ContainsRune(s, '\'') && !strings.ContainsRune(s, '"') {
		quote = '"'
	}
	var b strings.Builder
	b.WriteRune(quote)
	for _, c := range s {
		b.WriteString(pythonRune(c, quote))
	}
	b.WriteRune(quote)
	return b.String()
}

func pythonRune(c, quote rune) string {
	switch {
	case c == quote || c == '\\':
		return `\` + string(c)
	case c == '\n':
		return `\n`
	case c == '\r':
		return `\r`
	case c == '\t':
		return `\t`
	case unicode.IsPrint(c):
		return string(c)
	case c < 0x100:
		return fmt.Sprintf(`\x%02x`, c)
	case c < 0x10000:
		return fmt.Sprintf(`\u%04x`, c)
	default:
		return fmt.Sprintf(`\U%08x`, c)
	}
}
