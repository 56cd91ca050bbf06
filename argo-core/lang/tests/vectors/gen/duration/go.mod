module vectors/duration

go 1.26.8
