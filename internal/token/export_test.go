package token

import "context"

// Tend does at once what a keeper does every few seconds.
func Tend(k *Keeper, ctx context.Context) { k.tend(ctx) }
