module descriptions

go 1.24
