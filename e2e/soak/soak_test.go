//go:build e2e

package main

import (
	"os"
	"testing"
	"time"
)

// TestShort keeps the soak itself from rotting: everything that the hour does, in little.
func TestShort(t *testing.T) {
	o := options{binary: os.Getenv("SYMBOLON_BINARY"), store: "sqlite", length: 22 * time.Second, workers: 8}
	if o.binary == "" {
		t.Fatal("SYMBOLON_BINARY is not set: run `make e2e`, or build the program and put its path there")
	}
	findings, err := o.run()
	if err != nil {
		t.Fatal(err)
	}
	if findings > 0 {
		t.Errorf("%d findings, printed above", findings)
	}
}
