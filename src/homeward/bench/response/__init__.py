"""`homeward bench response`: does it learn what this owner wants?"""
