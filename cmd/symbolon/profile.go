//go:build profile

package main

import (
	"fmt"
	"os"
	"runtime/pprof"
)

// A program built with the tag profile writes where its CPU time went, and what memory it held last, to the files PID.cpu
// and PID.heap in the folder PROFILE_DIR. The program that is shipped cannot.
func init() {
	dir := os.Getenv("PROFILE_DIR")
	if dir == "" {
		return
	}
	f, err := os.Create(fmt.Sprintf("%s/%d.cpu", dir, os.Getpid()))
	if err == nil {
		err = pprof.StartCPUProfile(f)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "profiling:", err)
		os.Exit(1)
	}
	atEnd = func() {
		pprof.StopCPUProfile()
		heap, err := os.Create(fmt.Sprintf("%s/%d.heap", dir, os.Getpid()))
		if err == nil {
			err = pprof.WriteHeapProfile(heap)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "profiling:", err)
		}
	}
}
