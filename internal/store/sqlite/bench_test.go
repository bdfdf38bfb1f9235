package sqlite

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"symbolon/internal/store/sqlstore"
)

func BenchmarkWrite(b *testing.B) {
	for _, writers := range []int{1, 16} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			commits := 0
			d := openTest(b, Options{Serve: true, Fault: func(op string) error {
				if op == "COMMIT" {
					commits++
				}
				return nil
			}})
			mustWrite(b, d, add("a"))
			b.ResetTimer()
			var wg sync.WaitGroup
			for i := range writers {
				wg.Go(func() {
					for n := i; n < b.N; n += writers {
						err := d.Write(context.Background(), func(tx sqlstore.Tx) error {
							_, err := tx.Exec("UPDATE grants SET note = $1 WHERE id = 1", fmt.Sprint(n))
							return err
						})
						if err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/float64(commits), "verbs/commit")
		})
	}
}

func BenchmarkOpen(b *testing.B) {
	path := filepath.Join(b.TempDir(), "symbolon.db")
	for b.Loop() {
		d, err := Open(context.Background(), Options{Path: path, Serve: true, Migrations: first})
		if err != nil {
			b.Fatal(err)
		}
		if err := d.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
