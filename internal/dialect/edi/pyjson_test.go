package edi

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"symbolon/internal/strictjson"
)

// TestPythonFault holds the words to those of Python 3.11's json.loads.
func TestPythonFault(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "Expecting value: line 1 column 1 (char 0)",
		"{":                             "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
		"{\"a\":1,}":                    "Expecting property name enclosed in double quotes: line 1 column 8 (char 7)",
		"{\"a\" 1}":                     "Expecting ':' delimiter: line 1 column 6 (char 5)",
		"{\"a\":}":                      "Expecting value: line 1 column 6 (char 5)",
		"{\"a\":1 \"b\":2}":             "Expecting ',' delimiter: line 1 column 8 (char 7)",
		"[1,]":                          "Expecting value: line 1 column 4 (char 3)",
		"[1 2]":                         "Expecting ',' delimiter: line 1 column 4 (char 3)",
		"{\"a\":\"x":                    "Unterminated string starting at: line 1 column 6 (char 5)",
		"\"\\x\"":                       "Invalid \\escape: line 1 column 2 (char 1)",
		"\"\\u12\"":                     "Invalid \\uXXXX escape: line 1 column 3 (char 2)",
		"\"\\u12G4\"":                   "Invalid \\uXXXX escape: line 1 column 3 (char 2)",
		"\"a\u0001\"":                   "Invalid control character at: line 1 column 3 (char 2)",
		"{} x":                          "Extra data: line 1 column 4 (char 3)",
		"key=abc":                       "Expecting value: line 1 column 1 (char 0)",
		"{\"a\":tru}":                   "Expecting value: line 1 column 6 (char 5)",
		"-":                             "Expecting value: line 1 column 1 (char 0)",
		"01":                            "Extra data: line 1 column 2 (char 1)",
		"1.":                            "Extra data: line 1 column 2 (char 1)",
		"{\n \"\u00e9\":\"\u00fc\",\n}": "Expecting property name enclosed in double quotes: line 3 column 1 (char 12)",
		"[":                             "Expecting value: line 1 column 2 (char 1)",
		"[1":                            "Expecting ',' delimiter: line 1 column 3 (char 2)",
		"{\"a\":1":                      "Expecting ',' delimiter: line 1 column 7 (char 6)",
		"{1:2}":                         "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
		"\"\\":                          "Unterminated string starting at: line 1 column 1 (char 0)",
		"{\"a\":-}":                     "Expecting value: line 1 column 6 (char 5)",
		"\ufeff{}":                      "Unexpected UTF-8 BOM (decode using utf-8-sig): line 1 column 1 (char 0)",
		"[1,":                           "Expecting value: line 1 column 4 (char 3)",
		"{\"a\":1,":                     "Expecting property name enclosed in double quotes: line 1 column 8 (char 7)",
		"\"\\ud800\"":                   "",
		"{'a':1}":                       "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
		"{\"a\"":                        "Expecting ':' delimiter: line 1 column 5 (char 4)",
		"  ":                            "Expecting value: line 1 column 3 (char 2)",
		"\"\\u123":                      "Invalid \\uXXXX escape: line 1 column 3 (char 2)",
		"{\"a\":\"x\\\",\"b\":1}":       "Expecting ',' delimiter: line 1 column 12 (char 11)",
		"1e":                            "Extra data: line 1 column 2 (char 1)",
		"1e+":                           "Extra data: line 1 column 2 (char 1)",
		"-I":                            "Expecting value: line 1 column 1 (char 0)",
		"-Infinity x":                   "Extra data: line 1 column 11 (char 10)",
		"NaN y":                         "Extra data: line 1 column 5 (char 4)",
		"1.5.":                          "Extra data: line 1 column 4 (char 3)",
		"{\"a\":[}":                     "Expecting value: line 1 column 7 (char 6)",
		"{\"a\":1}}":                    "Extra data: line 1 column 8 (char 7)",
		"{\"a\":[1,2],\"b\":{\"c\":]}}": "Expecting value: line 1 column 21 (char 20)",
		"nul":                           "Expecting value: line 1 column 1 (char 0)",
		"\"\\u00e9\" 1":                 "Extra data: line 1 column 10 (char 9)",
		"[1,\n\n2,,3]":                  "Expecting value: line 3 column 3 (char 7)",
		"12ab":                          "Extra data: line 1 column 3 (char 2)",
		"1E5x":                          "Extra data: line 1 column 4 (char 3)",
		"-0x":                           "Extra data: line 1 column 3 (char 2)",
		"0.x":                           "Extra data: line 1 column 2 (char 1)",
	} {
		if got := pythonFault(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestPythonFaultStopsInTheDeep(t *testing.T) {
	if got := pythonFault(strings.Repeat("[", 1<<20)); got != "" {
		t.Error(got)
	}
}

func FuzzPythonFault(f *testing.F) {
	f.Add(`{"a": [1, "\u00e9", {"b": null}], }`)
	f.Add("{\n\"a\":tru}")
	f.Fuzz(func(t *testing.T, text string) {
		fault := pythonFault(text)
		if json.Valid([]byte(text)) && fault != "" {
			t.Errorf("%q is valid: %s", text, fault)
		}
		if _, err := strictjson.Parse([]byte(text), strictjson.Limits{}); err == nil && fault != "" {
			t.Errorf("%q is read: %s", text, fault)
		}
		var line, column, char int
		if i := strings.LastIndex(fault, ": line "); i >= 0 {
			if _, err := fmt.Sscanf(fault[i:], ": line %d column %d (char %d)", &line, &column, &char); err != nil || char > len(text) || line < 1 || column < 1 {
				t.Errorf("%q: %s", text, fault)
			}
		}
	})
}
