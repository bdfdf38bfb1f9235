package collectiveaccess

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf16"

	"symbolon/internal/graphql"
)

// object makes an object of names and values in turn.
func object(pairs ...any) *graphql.Object {
	o := &graphql.Object{}
	for i := 0; i < len(pairs); i += 2 {
		o.Keys = append(o.Keys, pairs[i].(string))
		o.Values = append(o.Values, pairs[i+1])
	}
	return o
}

// encode writes JSON as PHP does with unescaped slashes: compact, everything outside ASCII as \uXXXX. It panics on
// a value that graphql.Object does not list.
func encode(v any) []byte { return appendValue(nil, v) }

func appendValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, "null"...)
	case bool:
		return strconv.AppendBool(b, v)
	case int:
		return strconv.AppendInt(b, int64(v), 10)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case string:
		return appendString(b, v)
	case json.RawMessage:
		return appendASCII(b, v)
	case []any:
		b = append(b, '[')
		for i, item := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendValue(b, item)
		}
		return append(b, ']')
	case *graphql.Object:
		b = append(b, '{')
		for i, key := range v.Keys {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendString(b, key), ':')
			b = appendValue(b, v.Values[i])
		}
		return append(b, '}')
	}
	panic(fmt.Sprintf("collectiveaccess: a %T is no value of an answer", v))
}

// shortEscapes are the two-character escapes that PHP writes.
var shortEscapes = map[rune]string{ // :: character → escape
	'"': `\"`, '\\': `\\`, '\n': `\n`, '\r': `\r`, '\t': `\t`, '\f': `\f`, '\b': `\b`,
}

func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for _, c := range s {
		switch short := shortEscapes[c]; {
		case short != "":
			b = append(b, short...)
		case c < ' ':
			b = fmt.Appendf(b, `\u%04x`, c)
		default:
			b = appendRune(b, c)
		}
	}
	return append(b, '"')
}

// appendASCII copies valid JSON, in which what is not ASCII can stand in strings only.
func appendASCII(b []byte, raw []byte) []byte {
	for _, c := range string(raw) {
		b = appendRune(b, c)
	}
	return b
}

func appendRune(b []byte, c rune) []byte {
	switch {
	case c < 0x80:
		return append(b, byte(c))
	case c > 0xffff:
		high, low := utf16.EncodeRune(c)
		return fmt.Appendf(b, `\u%04x\u%04x`, high, low)
	}
	return fmt.Appendf(b, `\u%04x`, c)
}

// indented spreads a body over lines, for ?pretty.
func indented(body []byte) []byte {
	var b bytes.Buffer
	if err := json.Indent(&b, body, "", "  "); err != nil {
		panic("collectiveaccess: an answer is no JSON")
	}
	return b.Bytes()
}
