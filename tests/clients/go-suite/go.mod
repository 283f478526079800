module transferto/clients/suite

go 1.24
