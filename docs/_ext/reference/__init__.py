"""Reference pages, as Markdown made of the code: nothing in them is written twice."""
