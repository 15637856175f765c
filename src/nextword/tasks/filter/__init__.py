"""Score documents with a language model and keep, drop or sort them by the score: what web-scale corpora begin with.

settings   what is to be done with each document        documents  texts and lines, from JSON records or Parquet columns
measures   a document's perplexity, bits and contrast   cuts       cut points at percentiles of a sample
records    one line of JSON: its text, its new columns  outputs    files that appear whole, with their hashes
jsonl      a shard of JSON Lines                        parquet    a Parquet shard, by row groups
markers    what has been done, for a run that goes on   report     counts, sizes and quantiles
shards     which shards there are, and one of them      run        all of them
"""
